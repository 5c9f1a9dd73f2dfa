"""How much a score that tells ailing from healthy errs, one number for each healthy window.

Its placement value (DeLong, DeLong and Clarke-Pearson 1988, "Comparing the areas under two or more
correlated receiver operating characteristic curves"): the share of anomalies that score no higher.
The mean is 1 - AUROC, which does not depend on the scale of scores: models can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..subject import Numbers


def placements(healthy: Numbers, anomalies: Mapping[str, Numbers]) -> Numbers:
    """``[healthy windows]``: the share of anomalies that do not score above each, ties by half.

    ``anomalies`` are scores by kind; each kind counts alike, however many there are of it. NaN
    where a window has no score, or no anomaly has one.
    """
    parts = []
    for scores in anomalies.values():
        known = np.sort(scores[np.isfinite(scores)])
        if len(known):
            below = np.searchsorted(known, healthy, side="left")
            at_most = np.searchsorted(known, healthy, side="right")
            parts.append((below + at_most) / (2.0 * len(known)))
    if not parts:
        return np.full(len(healthy), np.nan)
    return np.where(np.isfinite(healthy), np.mean(parts, axis=0), np.nan)
