"""How odd a run's scores are among those of healthy runs: conformal p-values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .layers import Array

STATISTIC = "mean"  # of a run's threads in its newest window
# The trainer and this code differ in the last digits of float32. Runs that did the same, such as
# nothing, have one score: without this part of it, half of them would be odder than all of them.
TIED = 1e-6


class Calibration:
    """Sorted scores of healthy runs, by type of job; the empty type stands for all together."""

    def __init__(self, header: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take them; ValueError where there are none or they are not in order."""
        told = header["calibration"]
        if told["statistic"] != STATISTIC:
            raise ValueError(f"a statistic that this version does not know: {told['statistic']!r}")
        self._scores = {
            str(kind): arrays[f"calibration.{place}"].astype(np.float64)
            for place, kind in enumerate(told["kinds"])
        }
        if "" not in self._scores:
            raise ValueError("no calibration for jobs of unknown type")
        for scores in self._scores.values():
            if scores.ndim != 1 or (np.diff(scores) < 0).any():
                raise ValueError("scores of the calibration are not in order")

    def judge(self, scores: Array, kind: str) -> tuple[float, float]:
        """Score of a run, the mean of its threads', and p-value; NaN without any thread."""
        if not len(scores):
            return math.nan, math.nan
        of = self._scores.get(kind, self._scores[""])
        score = float(scores.mean())
        at_least = len(of) - int(np.searchsorted(of, score * (1.0 - TIED), side="left"))
        return score, (1 + at_least) / (len(of) + 1)
