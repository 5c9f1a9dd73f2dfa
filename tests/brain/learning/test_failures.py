"""The subject of failures: what is gathered and kept, how arms err, what is new or contrary."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.brain.brain import Brain
from jobmend.brain.config import BrainConfig
from jobmend.brain.learning.failures import code_families
from jobmend.brain.learning.failures import files as failure_files
from jobmend.brain.learning.failures.subject import Failures, examples_of, truth_of
from jobmend.brain.learning.subject import Example
from jobmend.classifier.failures.synthetic import records
from jobmend.classifier.failures.task import Cell, Decision, FailedTask, History
from jobmend.jobs.actions import State
from jobmend.jobs.identity import SiteStatus
from tests.brain.conftest import Tell
from tests.brain.scene import NOW, OOM, Clock
from tests.brain.test_decisions import fail_and_judge, move

Task = Example[FailedTask]
TEXT = st.text(max_size=8)
CELLS = st.dictionaries(
    st.builds(Cell, TEXT, TEXT, st.sampled_from(SiteStatus)), st.integers(1, 10**6), max_size=4
)
TASKS = st.builds(
    FailedTask,
    name=TEXT,
    cells=CELLS,
    features=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    time=st.none() | st.floats(0, 1e10),
    decision=st.none() | st.builds(Decision, TEXT, TEXT, TEXT, TEXT, st.tuples(TEXT)),
    cause=TEXT,
)


def quiet(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def told() -> list[Task]:
    return examples_of(records.as_history(records.generate(500, 0)))


@pytest.fixture(scope="module")
def subject() -> Failures:
    return Failures(None, BrainConfig())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def models(subject: Failures, told: list[Task]) -> dict[str, Any]:
    arms = ("majority", "logistic")
    return {arm: subject.train(arm, told[:300], 0, quiet) for arm in arms}


def decided(examples: Sequence[Task], words: Sequence[str]) -> list[Task]:
    found = []
    for one, word in zip(examples, words, strict=True):
        task = replace(one.content, decision=Decision(word))
        found.append(replace(one, content=task, truth=word))
    return found


def test_decisions_of_a_stretch_of_time_are_gathered(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    for n, workflow in enumerate(("w1", "w2", "w3")):
        clock.time = NOW + 1000 * n
        move(brain, fail_and_judge(brain, tell, workflow, 10 * n, OOM), State.APPROVED)
    failures = Failures(brain.store, brain.config)
    found = failures.gather(NOW, NOW + 2000)
    assert [one.group for one in found] == ["c1/w1", "c1/w2"]
    assert found[0].key == f"c1/w1@{NOW:.3f}" and found[0].time == NOW
    assert {(one.kind, one.truth) for one in found} == {("out_of_memory", "recover")}
    assert failures.gather(NOW + 5000, NOW + 6000) == []


def test_examples_are_kept_as_they_are(subject: Failures, told: list[Task], tmp_path: Path) -> None:
    path = tmp_path / "examples"
    marked = [told[0].vetted("normal"), *told[1:50]]
    subject.write(path, marked)
    assert subject.read(path) == marked
    assert [one.name for one in tmp_path.iterdir()] == ["examples"]


@settings(max_examples=40)
@given(tasks=st.lists(TASKS, max_size=4))
def test_any_task_is_read_back_and_measured(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[FailedTask]
) -> None:
    subject = Failures(None, BrainConfig())  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("kept") / "examples"
    examples = examples_of(History(tasks, "somewhere"))
    subject.write(path, examples)
    assert subject.read(path) == examples
    measured = subject.measure(examples)
    assert measured.values.shape == (len(tasks), len(measured.names))
    for one in examples:
        assert all(isinstance(word, str) for word in subject.describe(one).values())
        assert set(subject.codes(one)) == {cell.code for cell in one.content.cells}


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b'{"jobmend_examples": 1}', b'{"jobmend_examples": 9, "examples": []}'],
)
def test_a_damaged_file_is_named(subject: Failures, tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "examples"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="examples: (damaged|format 9)"):
        subject.read(path)
    with pytest.raises(ValueError, match="nowhere"):
        subject.read(tmp_path / "nowhere")


def test_infinite_features_are_left_out(tmp_path: Path) -> None:
    task = FailedTask("w", {}, {"runs": math.inf, "tried": 1.0}, 5.0)
    failure_files.write(tmp_path / "x", examples_of(History([task], "here")))
    (found,) = failure_files.read(tmp_path / "x")
    assert found.content.features == {"tried": 1.0}
    json.loads((tmp_path / "x").read_bytes(), parse_constant=lambda word: 1 / 0)


def test_tasks_without_a_time_keep_their_order() -> None:
    tasks = [FailedTask(name, {}) for name in "ba"]
    assert [one.content.name for one in examples_of(History(tasks, "here"))] == ["b", "a"]


def test_what_learns_errs_less_than_what_looks_at_nothing(
    subject: Failures, told: list[Task], models: dict[str, Any]
) -> None:
    losses = {arm: subject.losses(model, told[300:]) for arm, model in models.items()}
    assert all(np.isfinite(of).all() for of in losses.values())
    assert losses["logistic"].mean() < losses["majority"].mean() - 0.1
    assert models["majority"].about_.champion == "majority"


def test_what_was_never_seen_or_not_decided(
    subject: Failures, told: list[Task], models: dict[str, Any]
) -> None:
    some = told[300:303]
    strange, nothing = decided(some[:2], ["dance", ""])
    odd = some[2].vetted("wrong")
    losses = subject.losses(models["logistic"], [strange, nothing, odd])
    assert losses[0] == pytest.approx(-math.log(1e-6)) and np.isnan(losses[1:]).all()
    suspicion = subject.suspicion(models["logistic"], [strange, nothing, odd])
    assert suspicion[0] == 0 and np.isnan(suspicion[1:]).all()
    assert truth_of(replace(some[0].content, cells={}, features={})) == ""
    assert subject.losses(models["logistic"], []).shape == (0,)


def test_decisions_as_usual_are_not_suspect_and_contrary_ones_are(
    subject: Failures, told: list[Task], models: dict[str, Any]
) -> None:
    new, model = told[300:], models["logistic"]
    usual = subject.suspicion(model, new)
    least = model.predict_proba([one.content for one in new]).argmin(axis=1)
    contrary = subject.suspicion(model, decided(new, [model.classes[n] for n in least]))
    assert (usual <= 0.05).mean() < 0.07
    assert (contrary <= 0.05).mean() > 0.9


def test_codes_never_seen_are_new_until_a_person_said_so(
    subject: Failures, told: list[Task], models: dict[str, Any]
) -> None:
    new = told[300:400]
    alien = [
        replace(
            one,
            content=replace(one.content, cells={Cell("exit:99", "x/y", SiteStatus.GOOD): 7}),
        )
        for one in new
    ]
    model = models["majority"]
    assert (subject.novelty(model, new) <= 0.06).mean() < 0.15
    assert (subject.novelty(model, alien) <= 0.06).mean() > 0.9
    assert (subject.novelty(model, [one.vetted("normal") for one in alien]) == 1).all()


def test_too_few_decisions_are_said(subject: Failures, told: list[Task]) -> None:
    for few in ([], told[:20], [one.vetted("odd") for one in told[:300]]):
        with pytest.raises(ValueError, match="decisions on this cluster: .* at least 50"):
            subject.train("majority", few, 0, quiet)


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("exit:1", "errors"),
        ("exit:?", "errors"),
        ("139", "errors"),
        ("signal:11", "signals"),
        ("timeout", "timeouts"),
        ("out_of_memory", "out of memory"),
        ("node_failure", "the place's failures"),
        ("8021", "framework codes"),
        ("50660", "execution codes"),
        ("60311", "stage-out codes"),
        ("-1", "others"),
        ("٣", "others"),
        ("", "others"),
    ],
)
def test_codes_have_families(code: str, family: str) -> None:
    assert code_families.family(code) == family
    assert family in code_families.FAMILIES


def test_shares_of_families_sum_to_one() -> None:
    cells = {Cell("exit:1", "s", SiteStatus.GOOD): 3, Cell("timeout", "s", SiteStatus.BAD): 1}
    shares = code_families.shares(FailedTask("w", cells))
    assert sum(shares) == 1 and max(shares) == 0.75
    assert all(map(math.isnan, code_families.shares(FailedTask("w", {}))))
