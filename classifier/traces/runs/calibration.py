"""p-values of scores by conformal prediction, by group where it has rows enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grouping import Codes, members_of

Scores = NDArray[np.float64]

MIN_ROWS = 100  # of a group that is compared with itself: p-values down to one in a hundred


@dataclass(frozen=True)
class Calibration:
    """Sorted scores of healthy rows that were not learned from, and the group of each."""

    scores: Scores
    codes: Codes

    @classmethod
    def learn(cls, scores: Scores, codes: Codes) -> Calibration:
        """Keep the scores in order."""
        order = np.argsort(scores, kind="stable")
        return cls(scores[order], codes[order])

    def p_values(self, scores: Scores, codes: Codes) -> Scores:
        """``(1 + calibration scores >= score) / (n + 1)``, within the row's group.

        Among rows exchangeable with the calibration's it is at most ``a`` with probability at most
        ``a`` (Vovk, Gammerman and Shafer 2005). Groups of fewer than MIN_ROWS rows, and unseen
        ones, are compared with all.
        """
        p_values = np.ones(len(scores))
        for code, rows in members_of(codes):
            own = self.scores[self.codes == code]
            usual = own if code >= 0 and len(own) >= MIN_ROWS else self.scores
            above = len(usual) - np.searchsorted(usual, scores[rows], side="left")
            p_values[rows] = (1 + above) / (len(usual) + 1)
        return p_values

    def tensors(self) -> Mapping[str, NDArray[np.float64] | Codes]:
        """Scores and codes."""
        return {"scores": self.scores, "codes": self.codes}
