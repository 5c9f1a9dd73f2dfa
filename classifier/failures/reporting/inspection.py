"""What a tree arm looks at: contributions of its columns, and its answer as one of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arms.boosted import BoostedArm
from ..arms.table import dense
from ..evaluation.scores import Floats
from ..task import FailedTask
from .plots_models import Dependence

MAX_TASKS = 400  # the newest: enough for means
MAX_VALUES = 12
_EMBEDDED = "what an arm on an embedding looks at cannot be named"


@dataclass(frozen=True, eq=False)
class Looks:
    """Signed contributions in log-odds ``[tasks, classes, columns]`` and what columns held.

    ``values [tasks, columns]`` are counts, or features as they were measured (0: absent).
    """

    weights: Floats
    values: Floats
    names: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def strongest(self) -> NDArray[np.intp]:
        """Columns, those with the largest mean |contribution| over tasks and classes first."""
        return np.argsort(-np.abs(self.weights).mean(axis=(0, 1)), kind="stable")


def look(arm: BoostedArm, tasks: Sequence[FailedTask]) -> Looks:
    """What each column said of the newest of ``tasks``; ValueError for an embedded arm."""
    newest = list(tasks[-MAX_TASKS:])
    told = arm.contributions(newest)
    if not len(told.columns):
        raise ValueError(_EMBEDDED)
    weights = np.asarray(told.values[:, :, :-1], dtype=np.float64)
    vocabulary = arm.table_.vocabulary
    names = tuple(vocabulary.column(int(one)).describe() for one in told.columns)
    rows = dense(arm.table_.rows(newest)).astype(np.float64)
    return Looks(weights, _as_counted(arm, rows), names, arm.classes_)


def dependence(
    arm: BoostedArm, tasks: Sequence[FailedTask], columns: Sequence[int]
) -> list[Dependence]:
    """Mean probabilities of the newest ``tasks`` as each of ``columns`` holds values it has.

    ``columns`` are places in the arm's table. The other columns stay as they are, also those that
    count the same failures, so single points may be of tasks that cannot be (Friedman 2001).
    ValueError for an embedded arm.
    """
    if arm.table_.components is not None:
        raise ValueError(_EMBEDDED)
    rows = dense(arm.table_.rows(list(tasks[-MAX_TASKS:])))
    counted = _as_counted(arm, rows.astype(np.float64))
    vocabulary, growth = arm.table_.vocabulary, arm.growth()
    panels = []
    for column in columns:
        kept = _values(counted[:, column])
        means = []
        for value in kept:
            changed = rows.copy()
            changed[:, column] = rows[int(np.flatnonzero(counted[:, column] == value)[0]), column]
            means.append(growth.say(arm.booster_, changed).mean(axis=0))
        name = vocabulary.column(int(arm.table_.columns[column])).describe()
        panels.append(Dependence(name, kept, np.array(means)))
    return panels


def _values(column: Floats) -> Floats:
    """At most 12 of the values that the column holds, spread over them."""
    values: Floats = np.unique(column)
    if len(values) <= MAX_VALUES:
        return values
    places = np.unique(np.linspace(0, len(values) - 1, MAX_VALUES).round().astype(int))
    return np.asarray(values[places], dtype=np.float64)


def _as_counted(arm: BoostedArm, rows: Floats) -> Floats:
    """Rows of the arm's table as they were counted: no scale, no logarithm, no shift."""
    table = arm.table_
    counted: Floats = rows * table.scale
    if table.counts == "log":
        counted = np.expm1(counted)
    summary = table.columns >= table.vocabulary.blocks["summary"].start
    counted[:, summary] = np.maximum(0.0, counted[:, summary] - 1.0)
    return counted
