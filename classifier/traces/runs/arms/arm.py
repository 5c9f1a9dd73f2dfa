"""The contract of models of run summaries, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
Codes = NDArray[np.int64]
Tensors = Mapping[str, NDArray[Any]]
Progress = Callable[[int, int], None]  # steps done, steps at most

NEAR = 5.0  # scales: what is learned from is bounded to this, so that one wild row teaches nothing


class Arm(Protocol):
    """Law: the same parameters and data give the same scores, and higher is more abnormal.

    ``values`` is float32 ``[rows, features]`` in scales from the group's median, NaN = not
    measured; ``codes`` is each row's group, -1 for one that is unseen.
    """

    def fit(self, values: Floats, codes: Codes, *, progress: Progress | None = None) -> Self:
        """Learn from rows of healthy runs."""

    def score_samples(self, values: Floats, codes: Codes) -> Scores:
        """``[rows]``, positive; higher = more abnormal."""

    def embed(self, values: Floats, codes: Codes) -> Floats:
        """``[rows, latent]``: where the model places a run."""

    def get_params(self) -> dict[str, Any]:
        """The parameters it was made with, by name; JSON can hold them."""

    def tensors(self) -> Tensors:
        """What was learned, by name; with the parameters it makes the model again."""

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """The fitted model again; KeyError or ValueError where names or shapes do not fit."""


def filled(values: Floats) -> Floats:
    """0, the group's median, where nothing was measured."""
    return np.nan_to_num(values, nan=0.0)


def bounded(values: Floats) -> Floats:
    """Filled, and within ±NEAR."""
    return np.clip(filled(values), -NEAR, NEAR)


def same_width(values: Floats, features: int) -> None:
    """ValueError where rows have other features than were learned from."""
    if values.ndim != 2 or values.shape[1] != features:
        raise ValueError(f"rows of shape {list(values.shape)}: the model reads {features} features")
