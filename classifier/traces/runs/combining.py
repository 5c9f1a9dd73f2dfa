"""One score out of those of several arms.

Each arm's score is compared with its own among healthy rows, on a logarithmic scale: how many
interquartile ranges above the median. The mean of these, with equal weights, is the champion:
which arm is best differs by table and cannot be known without labels, and p-values would call all
rows alike that are odder than every healthy one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arms.arm import Scores

CHAMPION = "combined"
_SMALLEST_SCORE = 1e-9
_SMALLEST_RANGE = 1e-6


@dataclass(frozen=True)
class Standard:
    """Median and interquartile range of the logarithm of an arm's scores of healthy rows."""

    median: float
    range: float

    @classmethod
    def learn(cls, scores: Scores) -> Standard:
        """From the scores of healthy rows.

        Where most have the same score, as k-means has where rows repeat each other, there is no
        range: it is 1 then, so that the arm does not outweigh all others.
        """
        low, middle, high = np.quantile(_logs(scores), (0.25, 0.5, 0.75))
        return cls(float(middle), float(high - low) if high - low > _SMALLEST_RANGE else 1.0)

    def apply(self, scores: Scores) -> Scores:
        """How far above the median, in interquartile ranges."""
        return (_logs(scores) - self.median) / self.range


def combine(scores: Mapping[str, Scores]) -> Scores:
    """``[rows]``: the mean of standardised scores of all arms."""
    return np.asarray(np.mean(list(scores.values()), axis=0), dtype=np.float64)


def _logs(scores: Scores) -> NDArray[np.float64]:
    return np.log(np.maximum(scores, _SMALLEST_SCORE))
