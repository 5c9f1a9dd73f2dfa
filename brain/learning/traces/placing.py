"""How much a score that tells ailing from healthy errs, one number for each healthy window.

The first part is its placement value (DeLong, DeLong and Clarke-Pearson 1988, "Comparing the areas
under two or more correlated receiver operating characteristic curves"): the share of anomalies that
score no higher. The second is by how much the anomalies that were made of it are missed more often
than others, the placement values of these. The mean is 1 - AUROC, which does not depend on the
scale of scores: models can be compared. Its spread over runs is that of DeLong's variance: that
anomalies are a sample too must not be forgotten, or chance wins twice as often as it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..subject import Numbers

Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Anomalies:
    """Scores of anomalies of one kind; ``made_of`` has the place of the healthy window that each
    was made of, None where they were made of none.
    """

    scores: Numbers
    made_of: Places | None = None


def placements(healthy: Numbers, anomalies: Mapping[str, Anomalies]) -> Numbers:
    """``[healthy windows]``: how much the score errs on each, ties by half; see above.

    Each kind of ``anomalies`` counts alike, however many there are of it. NaN where a window has no
    score, or no anomaly has one.
    """
    known = np.isfinite(healthy)
    usual, total, kinds = np.sort(healthy[known]), np.zeros(len(healthy)), 0
    for kind in anomalies.values():
        judged = np.isfinite(kind.scores)
        if not judged.any():
            continue
        kinds += 1
        total += _share_below(np.sort(kind.scores[judged]), healthy)
        if kind.made_of is not None and len(usual):
            missed = 1.0 - _share_below(usual, kind.scores[judged])
            weight = len(usual) / len(missed)  # so that it counts as in the mean over windows
            np.add.at(total, kind.made_of[judged], weight * (missed - missed.mean()))
    return np.where(known, total / kinds, np.nan) if kinds else np.full(len(healthy), np.nan)


def _share_below(ordered: Numbers, values: Numbers) -> Numbers:
    """Of ``ordered`` numbers the share below each of ``values``, ties by half."""
    below = np.searchsorted(ordered, values, side="left")
    at_most = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + at_most) / (2.0 * len(ordered)))
