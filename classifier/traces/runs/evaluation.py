"""How well a run model finds faults in runs it has not seen: five splits by run, every arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from ...failures.evaluation.intervals import Interval, over_folds
from .model import RunModel, Tell
from .splitting import parts
from .table import Ask, Flags, Table

SPLITS = 5
MIN_TESTED = 10  # healthy and faulty rows each, below which a split has no figure


@dataclass(frozen=True)
class Figures:
    """AUROC and AUPRC of one arm over the splits, with 95 % intervals, and where they rest."""

    arm: str
    auroc: Interval
    auprc: Interval

    def as_dict(self) -> dict[str, object]:
        """For JSON: mean, low, high; None where there is none."""
        return {"arm": self.arm, "auroc": self.auroc.row(), "auprc": self.auprc.row()}


def evaluate(
    table: Table,
    ask: Ask,
    *,
    healthy_only: bool = True,
    arms: Sequence[str] | None = None,
    splits: int = SPLITS,
    seed: int = 0,
    tell: Tell | None = None,
) -> list[Figures]:
    """Figures of the champion and every arm.

    ValueError without splits or label, or where no part holds enough rows of both kinds.

    The model of a split sees no row of the runs it is tested on; labels of tested rows are used
    to count alone.
    """
    if table.splits is None or table.faulty is None:
        raise ValueError("figures need a column of runs and one of labels")
    found: dict[str, list[tuple[float, float]]] = {}
    for place, (learned, tested) in enumerate(parts(table.splits, splits, seed)):
        if tell is not None:
            tell(f"split {place + 1} of {splits}", place, splits + 1)
        model = RunModel(seed=seed) if arms is None else RunModel(arms=arms, seed=seed)
        model.fit(table.take(learned), ask, healthy_only=healthy_only, calibrate=False)
        part = table.take(tested)
        for name, scores in model.arm_scores(part).items():
            found.setdefault(name, []).append(figures_of(part.faulty, scores))
    told = summary(found, splits)
    if math.isnan(told[0].auroc.mean):
        raise ValueError(
            f"none of {splits} parts of the runs has {MIN_TESTED} healthy and {MIN_TESTED} faulty "
            "rows"
        )
    return told


def figures_of(faulty: Flags | None, scores: NDArray[np.float64]) -> tuple[float, float]:
    """AUROC and AUPRC; NaN where one of the two classes has too few rows."""
    if faulty is None or min(faulty.sum(), (~faulty).sum()) < MIN_TESTED:
        return math.nan, math.nan
    return float(roc_auc_score(faulty, scores)), float(average_precision_score(faulty, scores))


def summary(found: Mapping[str, Sequence[tuple[float, float]]], splits: int) -> list[Figures]:
    """Means with intervals, best AUROC first."""
    share = 1.0 / (splits - 1)  # tested rows over learned ones
    rows = [
        Figures(
            name,
            _within(over_folds([auroc for auroc, _ in values], share)),
            _within(over_folds([auprc for _, auprc in values], share)),
        )
        for name, values in found.items()
    ]
    known = [row for row in rows if not math.isnan(row.auroc.mean)]
    return sorted(known, key=lambda row: -row.auroc.mean) or rows


def _within(interval: Interval) -> Interval:
    """A t interval knows no bounds; these figures lie between 0 and 1."""
    if math.isnan(interval.low):
        return interval
    return replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))
