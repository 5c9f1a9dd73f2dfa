"""Bringing features to one scale, robustly, and keeping apart what was not measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SMALLEST_SCALE = 0.02  # features are shares: what moves less than this counts as constant
LARGEST = 20.0  # scales: beyond, one wild reading would drown all others


@dataclass(frozen=True)
class Scaling:
    """Median and interquartile range of each feature, float32 ``[features]``.

    A feature that was never measured has 0 and 0: a model knows nothing of it, so that it counts
    as not measured where it turns up later.
    """

    median: Floats
    scale: Floats

    @classmethod
    def learn(cls, samples: Floats) -> Scaling:
        """From ``[samples, steps, features]``; what is not finite was not measured."""
        flat = samples.reshape(-1, samples.shape[-1]).astype(np.float64)
        flat[~np.isfinite(flat)] = np.nan
        measured = ~np.isnan(flat).all(axis=0)
        median = np.zeros(flat.shape[1])
        scale = np.zeros(flat.shape[1])
        if measured.any():
            low, median[measured], high = np.nanpercentile(flat[:, measured], (25, 50, 75), axis=0)
            scale[measured] = np.maximum(high - low, SMALLEST_SCALE)
        return cls(median.astype(np.float32), scale.astype(np.float32))

    def apply(self, samples: Floats) -> tuple[Floats, Mask]:
        """``samples`` scaled and bounded, and True where a number counts; 0 where none does."""
        mask = np.isfinite(samples) & (self.scale > 0)
        away = np.where(mask, samples, self.median) - self.median
        scaled = np.divide(away, self.scale, out=away, where=self.scale > 0)
        return np.clip(scaled, -LARGEST, LARGEST).astype(np.float32), mask
