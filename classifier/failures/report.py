"""How good the failure model is: beside the majority class and the rules, on held-out history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score, log_loss, recall_score

from ...jobs.actions import ActionKind
from ..pool import floored, leaning, likeliest
from .labels import LabelledWorkflow
from .model import FailureModel
from .rules import judge

Opinion = Mapping[ActionKind, float]


@dataclass(frozen=True)
class Score:
    """One row of the table. ``log_loss`` in nats; recall per action (0..1).

    ``coverage`` is the share of workflows on which it says an action, ``precision`` the share of
    those it says rightly.
    """

    name: str
    log_loss: float
    macro_f1: float
    recall: Mapping[str, float]
    coverage: float
    precision: float


def compare(
    model: FailureModel, older: Sequence[LabelledWorkflow], held_out: Sequence[LabelledWorkflow]
) -> list[Score]:
    """Majority, rules and model on ``held_out``; ``older`` is what the model was trained on."""
    truth = [example.action for example in held_out]
    shares = {kind: 0.0 for kind in ActionKind}
    for example in older:
        shares[example.action] += 1 / len(older)
    majority = [shares] * len(held_out)
    rules = [_of_rules(example, shares) for example in held_out]
    learned = [model.predict_proba(example.record) for example in held_out]
    return [
        score("majority", majority, truth),
        score("rules", rules, truth),
        score("model", learned, truth),
    ]


def _of_rules(example: LabelledWorkflow, shares: Opinion) -> Opinion:
    verdict = judge(example.record)
    if verdict is None:
        return {**shares, ActionKind.ASK: 1.0}
    return leaning(verdict.action.kind, verdict.rule.confidence)


def score(name: str, opinions: Sequence[Opinion], truth: Sequence[ActionKind]) -> Score:
    """Score ``opinions`` against what was done; ASK counts as no answer."""
    labels = sorted({kind.value for kind in truth})
    said = [likeliest(floored(opinion)).value for opinion in opinions]
    done = [kind.value for kind in truth]
    acting = [{**floored(opinion), ActionKind.ASK: 0.0} for opinion in opinions]
    table = np.array([[row[ActionKind(label)] for label in labels] for row in acting])
    answered = [(one, other) for one, other in zip(said, done, strict=True) if one != "ask"]
    recalls = recall_score(done, said, labels=labels, average=None, zero_division=0.0)
    return Score(
        name=name,
        log_loss=float(log_loss(done, table / table.sum(axis=1, keepdims=True), labels=labels)),
        macro_f1=float(f1_score(done, said, labels=labels, average="macro", zero_division=0.0)),
        recall={label: float(value) for label, value in zip(labels, recalls, strict=True)},
        coverage=len(answered) / len(done),
        precision=sum(one == other for one, other in answered) / max(1, len(answered)),
    )
