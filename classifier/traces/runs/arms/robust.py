"""The simplest arm: how many scales from the median, summed over the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ....parameters import Parametrised
from ..healthy import huber
from .arm import Codes, Floats, Progress, Scores, Tensors, filled, same_width


class RobustDistance(Parametrised):
    """Sum of Huber losses of the scaled features; nothing is learned beyond the scaling."""

    def __init__(self) -> None:
        """It has no parameters."""
        self.features_ = 0

    def fit(self, values: Floats, codes: Codes, *, progress: Progress | None = None) -> Self:
        """Remember the number of features."""
        self.features_ = values.shape[1]
        return self

    def score_samples(self, values: Floats, codes: Codes) -> Scores:
        """``[rows]``, higher = more abnormal."""
        same_width(values, self.features_)
        return huber(values)

    def embed(self, values: Floats, codes: Codes) -> Floats:
        """The scaled features themselves."""
        return filled(values)

    def tensors(self) -> Tensors:
        """The number of features."""
        return {"features": np.array([self.features_], np.int64)}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back."""
        arm = cls(**params)
        arm.features_ = int(tensors["features"][0])
        return arm
