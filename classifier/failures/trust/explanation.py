"""Why an arm says what it says: what in the task speaks for an action and what against it.

Trees tell it exactly (SHAP values; Lundberg et al. 2020, "From local explanations to global
understanding with explainable AI for trees"). Any other arm is asked again without one group of
failures at a time: what its log-odds lose is what the group said (occlusion; Zeiler and Fergus
2014, "Visualizing and understanding convolutional networks").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from ....jobs.identity import SiteStatus
from ..arms.arm import Arm, Floats
from ..matrix import Column, Vocabulary, encode
from ..prediction import Weighed
from ..task import Cell, FailedTask

MOST_GROUPS: Final = 10  # that are left out one at a time, the largest: each costs a prediction
LEAST = 1e-3  # log-odds; less is no reason

Group = Column  # failures of one code, of one site or of both, at one status


@runtime_checkable
class Contributing(Protocol):
    """An arm that knows what each column of the matrix says: ``values [tasks, classes, columns]``,
    the numbers of the ``columns`` in the vocabulary of its ``table_``.
    """

    table_: Any

    def contributions(self, tasks: Sequence[FailedTask]) -> Any:
        """The contributions in log-odds."""


class Explainer:
    """Asks an arm about a task, and explains what it says."""

    def __init__(self, arm: Arm) -> None:
        """Keep the arm, which is fitted."""
        self.arm = arm

    def ask(self, task: FailedTask) -> Asked:
        """What the arm says of ``task``, before calibration, with what explains it."""
        told = self._told(task) if isinstance(self.arm, Contributing) else None
        return told or self._occluded(task)

    def weigh(self, task: FailedTask, action: str, n: int = 5) -> tuple[Weighed, ...]:
        """:meth:`Asked.weigh` of ``task``."""
        return self.ask(task).weigh(action, n)

    def _told(self, task: FailedTask) -> Asked | None:
        """What the arm's own contributions say; None where its columns have no meaning."""
        told: Any = self.arm.contributions([task])  # type: ignore[attr-defined]
        if not len(told.columns):
            return None
        values = np.asarray(told.values[0, :, :-1], dtype=np.float64)
        said = self.arm.predict_proba([task])[0]
        vocabulary: Vocabulary = self.arm.table_.vocabulary  # type: ignore[attr-defined]
        row = encode([task], vocabulary)
        counts = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        columns = told.columns

        def weights(place: int) -> Floats:
            if len(values) < 3:
                return np.asarray(values[place], dtype=np.float64)
            rest = said.copy()  # against the others as they stand, each by its share of the rest
            rest[place] = 0.0
            against = rest @ values / max(rest.sum(), 1e-12)
            return np.asarray(values[place] - against, dtype=np.float64)

        def words(reason: int) -> str:
            number = int(columns[reason])
            return _in_words(vocabulary.column(number), counts.get(number))

        return Asked(self.arm, said, weights, words)

    def _occluded(self, task: FailedTask) -> Asked:
        """What the log-odds lose where a group of failures had not been."""
        groups = _groups(task)
        variants = [replace(task, cells=_without(task, group)) for group, _ in groups]
        said = self.arm.predict_proba([task, *variants])
        odds = _log_odds(said)
        return Asked(
            self.arm,
            said[0],
            lambda place: odds[0, place] - odds[1:, place],
            lambda reason: _in_words(*groups[reason]),
        )


@dataclass(frozen=True, eq=False)
class Asked:
    """What an arm says of a task: ``probabilities [classes]``, and its reasons.

    ``weights(place)`` are those of all reasons for the class at that place, ``words(reason)`` what
    one of them is.
    """

    arm: Arm
    probabilities: Floats
    weights: Callable[[int], Floats]
    words: Callable[[int], str]

    def weigh(self, action: str, n: int = 5) -> tuple[Weighed, ...]:
        """The ``n`` strongest reasons for ``action`` and the ``n`` strongest against, by weight.

        Weights are changes of the log-odds of the action, before calibration. ValueError where
        the arm does not know the action.
        """
        if action not in self.arm.classes_:
            raise ValueError(f"{action!r} is none of the actions that {self.arm.name} knows")
        weights = self.weights(self.arm.classes_.index(action))
        ranked = [int(at) for at in np.argsort(-np.abs(weights)) if abs(weights[at]) >= LEAST]
        speaks_for = [at for at in ranked if weights[at] > 0][:n]
        against = [at for at in ranked if weights[at] < 0][:n]
        told = sorted([*speaks_for, *against], key=lambda at: -abs(weights[at]))
        return tuple(Weighed(self.words(at), float(weights[at])) for at in told)


def _log_odds(p: Floats) -> Floats:
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(safe / (1 - safe)), dtype=np.float64)


def _groups(task: FailedTask) -> list[tuple[Group, int]]:
    """The largest groups: by code and status, by site and status, by all three."""
    counts: Counter[tuple[str, str, SiteStatus]] = Counter()
    for cell, count in task.cells.items():
        for code, site in ((cell.code, ""), ("", cell.site), (cell.code, cell.site)):
            counts[code, site, cell.status] += count
    seen: set[frozenset[Cell]] = set()
    groups: list[tuple[Group, int]] = []
    ranked = sorted(counts.items(), key=lambda item: (-item[1], -bool(item[0][0] and item[0][1])))
    for (code, site, status), count in ranked:
        group = Group("cells", code, site, status)
        members = frozenset(cell for cell in task.cells if _belongs(cell, group))
        if members not in seen:  # one site's only code is one group, told in full
            seen.add(members)
            groups.append((group, count))
        if len(groups) == MOST_GROUPS:
            break
    return groups


def _belongs(cell: Cell, group: Group) -> bool:
    same_code = group.code in ("", cell.code)
    return same_code and group.site in ("", cell.site) and cell.status is group.status


def _without(task: FailedTask, group: Group) -> dict[Cell, int]:
    return {cell: count for cell, count in task.cells.items() if not _belongs(cell, group)}


def _in_words(column: Column, value: float | None) -> str:
    """``50660 at any site (good): 83``; a summary is told as measured, not as encoded."""
    words = column.describe()
    if column.block == "summary":
        return f"{words}: not known" if value is None else f"{words}: {value - 1:.3g}"
    return f"{words}: none" if value is None else f"{words}: {value:.0f}"
