"""How sure a measured figure is: intervals over folds or seeds, and over the tasks of one split."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .splits import Indices

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
_RESAMPLES_AT_ONCE = 100  # bounds memory: so many times the workflows, as 8-byte integers


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval; ``low`` and ``high`` are NaN where none can be had."""

    mean: float
    low: float = math.nan
    high: float = math.nan
    count: int = 1  # of the values it rests on

    def __str__(self) -> str:
        """``0.123 [0.100, 0.146]``."""
        if math.isnan(self.low):
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def row(self) -> list[float | None]:
        """Mean, low and high for JSON, which has no NaN."""
        parts = (self.mean, self.low, self.high)
        return [None if math.isnan(part) else round(part, 6) for part in parts]


def over_folds(
    values: Sequence[float], test_share: float = 0.0, confidence: float = CONFIDENCE
) -> Interval:
    """Student's t interval of the mean over folds or seeds; NaN values are left out.

    Folds of one data set learn from the same tasks, so their spread is too small: the variance
    is then raised by ``test_share``, held-out tasks over tasks learned from (Nadeau and Bengio,
    Inference for the generalization error, 2003). Independent histories: 0.
    """
    known = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    if len(known) < 2:
        return Interval(float(known[0]) if len(known) else math.nan, count=len(known))
    mean = float(known.mean())
    spread = math.sqrt(float(known.var(ddof=1)) * (1.0 / len(known) + test_share))
    half = float(stats.t.ppf(0.5 + confidence / 2.0, len(known) - 1)) * spread
    return Interval(mean, mean - half, mean + half, len(known))


def mean_over_tasks(
    values: Floats,
    groups: Indices,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of a mean over tasks (Efron 1979), drawing whole workflows.

    Tasks of one workflow are not independent, so ``groups`` (each task's workflow) are drawn, not
    tasks; where each task is its own workflow the two are one.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place)
    rng = np.random.default_rng(seed)
    means: list[Floats] = []
    for begin in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - begin)
        drawn = rng.integers(0, len(sums), size=(rows, len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return _percentiles(float(values.mean()), np.concatenate(means), confidence, len(values))


def over_tasks(
    statistics: Callable[[Indices], Sequence[float]],
    groups: Indices,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = 200,
    seed: int = 0,
) -> list[Interval]:
    """Percentile bootstrap of any statistics of one split's tasks, drawing whole workflows.

    ``statistics`` are worked out together from places of tasks, with repeats. Draws on which one
    is NaN (a class may be missing) are left out; where half of them are, it has no interval.
    """
    names = np.unique(groups)
    members = [np.flatnonzero(groups == name) for name in names]
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, len(names), size=len(names)) for _ in range(resamples))
    draws = np.array([statistics(np.concatenate([members[p] for p in draw])) for draw in drawn])
    found = []
    for place, whole in enumerate(statistics(np.arange(len(groups)))):
        known = draws[~np.isnan(draws[:, place]), place]
        if 2 * len(known) < resamples:
            found.append(Interval(whole, count=len(groups)))
        else:
            found.append(_percentiles(whole, known, confidence, len(groups)))
    return found


def _percentiles(mean: float, draws: Floats, confidence: float, count: int) -> Interval:
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(draws, [tail, 100.0 - tail])
    return Interval(mean, float(low), float(high), count)
