"""Subjects and comparison together: after a drift the challenger wins, without one nobody does.

All on synthetic data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from jobmend.brain.config import BrainConfig, LearningConfig
from jobmend.brain.learning.failures.subject import Failures, examples_of
from jobmend.brain.learning.steps.comparing import Contest, Decision, Pair, compare
from jobmend.brain.learning.traces.subject import Traces
from jobmend.classifier.failures.synthetic import records
from jobmend.classifier.failures.task import Decision as Decided
from tests.brain.learning.windows import Source, drifted, healthy


def trained(subject: Any, arm: str, examples: Sequence[Any]) -> Any:
    return subject.train(arm, examples, 0, lambda what, done, total: None)


def compete(subject: Any, champion: Any, challenger: Any, held_out: Sequence[Any]) -> Decision:
    losses = [subject.losses(model, held_out) for model in (champion, challenger)]
    pair = Pair("new", losses[0], losses[1], [one.group for one in held_out])
    return compare(Contest("old", new=pair), 0.02, 1, 0)


@pytest.mark.parametrize("arm", ["pca", "autoencoder"])
def test_traces_after_a_drift_and_without_one(arm: str) -> None:
    subject = Traces(None, Source(), LearningConfig(), epochs=25)  # type: ignore[arg-type]
    old, same = healthy(0, 80, name="old"), healthy(1, 80, name="same")
    test = healthy(2, 25, name="test")
    champion = trained(subject, arm, old)
    unchanged = compete(subject, champion, trained(subject, arm, same), test)
    assert unchanged.action == "keep", unchanged.why
    challenger = trained(subject, arm, drifted(same))
    changed = compete(subject, champion, challenger, drifted(test))
    assert (changed.action, changed.who) == ("shadow", "new"), changed.why
    assert changed.figures["new p"] < 0.01


def test_failures_after_operators_changed_their_minds() -> None:
    subject = Failures(None, BrainConfig())  # type: ignore[arg-type]
    told = examples_of(records.as_history(records.generate(650, 0)))
    words = sorted({one.truth for one in told}, key=[one.truth for one in told].count)[-2:]
    swap = dict(zip(words, reversed(words), strict=True))
    changed = [
        replace(
            one,
            content=replace(one.content, decision=Decided(swap.get(one.truth, one.truth))),
        )
        for one in told
    ]
    champion = trained(subject, "logistic", told[:250])
    same = compete(subject, champion, trained(subject, "logistic", told[250:500]), told[500:])
    assert same.action == "keep", same.why
    challenger = trained(subject, "logistic", changed[250:500])
    moved = compete(subject, champion, challenger, changed[500:])
    assert moved.action == "shadow" and moved.figures["new gain"] > 0.1, moved.why
