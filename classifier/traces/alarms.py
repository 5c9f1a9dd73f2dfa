"""When an odd run is an alarm: a stated share of false ones, and windows that agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Criterion:
    """An alarm is a p-value of at most ``alpha``: so many healthy runs are alarmed about."""

    alpha: float = 0.01

    def __post_init__(self) -> None:
        """ValueError where ``alpha`` is no share."""
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha {self.alpha} is no share between 0 and 1")

    @property
    def runs_needed(self) -> int:
        """Healthy runs to compare with; with fewer no p-value is small enough for an alarm."""
        return math.ceil(1 / self.alpha - 1e-9) - 1

    def rings(self, p: float) -> bool:
        """Is it an alarm? NaN is none."""
        return p <= self.alpha

    def words(self, runs: int, which: str = "") -> str:
        """With how many healthy runs, ``which`` ones, something was compared, and if they do."""
        told = f"compared with {runs} healthy runs{' ' if which else ''}{which}"
        if runs >= self.runs_needed:
            return told
        needs = f"an alarm at {100 * self.alpha:g} % needs {self.runs_needed}"
        return f"{told}: {needs}, with these p is {1 / (runs + 1):.2g} at least"


@dataclass(frozen=True)
class Persistence:
    """Odd for long enough: in at least ``needed`` of ``among`` windows in a row."""

    needed: int = 2
    among: int = 3

    def __post_init__(self) -> None:
        """ValueError where more windows are needed than there are."""
        if not 1 <= self.needed <= self.among:
            raise ValueError(f"{self.needed} of {self.among} windows cannot be odd")

    def statistic(self, scores: Scores) -> Scores:
        """``[...]`` of ``[windows, ...]``: the highest score that enough windows reach.

        It exceeds a threshold just when ``needed`` of some ``among`` windows in a row do, whatever
        the threshold, so persistence needs no p-value of its own. NaN is a window in which nothing
        was measured. What was measured in fewer windows must exceed it in all of them that lie
        together; NaN where nothing was measured at all.
        """
        known = np.where(np.isfinite(scores), scores, -np.inf)
        before = np.full((self.among - 1, *known.shape[1:]), -np.inf)
        if not len(known):
            return np.full(known.shape[1:], np.nan)
        rows = np.sort(sliding_window_view(np.concatenate([before, known]), self.among, 0), -1)
        found = np.full(known.shape[1:], -np.inf)
        for needed in range(self.needed, 0, -1):
            found = np.where(np.isfinite(found), found, rows[..., -needed].max(axis=0))
        return np.where(np.isfinite(found), found, np.nan)
