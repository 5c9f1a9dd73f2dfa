"""A window in few numbers: the mean and the largest of each feature, over the threads of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...jobs.windows import TraceWindow
from .samples import values_of

Numbers = NDArray[np.float64]


def names(features: Sequence[str]) -> tuple[str, ...]:
    """What :func:`profiles` measures, column by column."""
    return (*(f"{name} mean" for name in features), *(f"{name} max" for name in features))


def profiles(windows: Sequence[TraceWindow], features: Sequence[str]) -> Numbers:
    """``[windows, 2 * features]``, in the units of the features; NaN where not measured.

    A feature that a window does not have was not measured of it.
    """
    table = np.full((len(windows), 2, len(features)), np.nan)
    for row, window in enumerate(windows):
        owned = [place for place, owner in enumerate(window.owners) if owner is not None]
        of_window = _mean_and_max(values_of(window)[owned].reshape(-1, len(window.features)))
        places = {name: place for place, name in enumerate(window.features)}
        known = [column for column, name in enumerate(features) if name in places]
        table[row][:, known] = of_window[:, [places[features[column]] for column in known]]
    return table.reshape(len(windows), 2 * len(features))


def _mean_and_max(values: NDArray[np.float32]) -> Numbers:
    """``[2, features]`` of ``[rows, features]``."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0, dtype=np.float64)
    highest = np.where(there, values, -np.inf).max(axis=0, initial=-np.inf)
    found = np.stack([total / np.maximum(count, 1), highest])
    return np.where(count > 0, found, np.nan)
