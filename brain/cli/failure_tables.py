"""Tables of the failure classifier: how arms did in the contest, what a model says of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...classifier.failures.prediction import Prediction
from .tables import Table

FIGURES = ("log_loss", "macro_f1", "auprc", "ece", "coverage_90")


def contest(arms: Sequence[Mapping[str, Any]]) -> Table:
    """How each arm did on held-out tasks, with 95 % intervals; rows of Comparison.table()."""
    columns = ("ARM", *(name.replace("_", " ").upper() for name in FIGURES))
    return Table(columns, [_arm(row) for row in arms])


def _arm(row: Mapping[str, Any]) -> tuple[str, ...]:
    if "failure" in row:
        return (row["arm"], f"not ranked: {row['failure']}", *[""] * (len(FIGURES) - 1))
    return (row["arm"], *(_figure(row[name]) for name in FIGURES))


def _figure(told: Sequence[float | None]) -> str:
    mean, low, high = told
    if mean is None:
        return "-"
    return f"{mean:.3f}" if low is None or high is None else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def predictions(said: Sequence[Prediction]) -> Table:
    """What a model says, a line a task."""
    return Table(("TASK", "ACTION", "SURE", "PARAMETERS", "BECAUSE"), [_task(one) for one in said])


def _task(one: Prediction) -> tuple[str, ...]:
    likeliest = max(one.probabilities.values(), default=0.0)
    changed = [
        f"{name.replace('_', ' ')} {answer.value}"
        for name, answer in one.parameters.items()
        if answer.value != "default"
    ]
    speaking = [reason.text for reason in one.evidence if reason.weight > 0]
    because = one.doubt or "; ".join(speaking[:2])
    return one.task, one.action, f"{likeliest:.2f}", ", ".join(changed) or "-", because or "-"
