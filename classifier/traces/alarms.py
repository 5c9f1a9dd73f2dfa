"""When a score is odd: conformal p-values from the scores of runs the model was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def p_value(calibration: NDArray[np.float64], score: float) -> float:
    """``(1 + number of calibration scores >= score) / (n + 1)``; NaN for a score of NaN.

    Among scores exchangeable with the calibration's, it is at most ``a`` with probability at most
    ``a``. ``calibration`` is sorted ascending.
    """
    if math.isnan(score):
        return math.nan
    at_least = len(calibration) - int(np.searchsorted(calibration, score, side="left"))
    return (1 + at_least) / (len(calibration) + 1)


def merge(p_values: Sequence[float]) -> float:
    """One p-value for several that depend on each other in unknown ways: twice their mean.

    Valid under any dependence (Vovk and Wang 2020), which threads of one run have. NaN are left
    out; NaN where nothing is left.
    """
    known = [p for p in p_values if not math.isnan(p)]
    return min(1.0, 2.0 * math.fsum(known) / len(known)) if known else math.nan
