"""The contract of window models: each learns what healthy threads of a node do in one window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .normalise import LARGEST, Floats, Mask

Scores = NDArray[np.float64]
Tensors = Mapping[str, NDArray[Any]]
SHAPE = "window.shape"  # the tensor that holds steps and features
BLOCK = 1 << 17  # numbers worked with at once when scoring
Progress = Callable[[int, int, float], None]  # epochs done, epochs at most, error they stop by


class Estimator(Protocol):
    """Law: the same parameters and data give the same scores, and higher is more abnormal.

    ``values`` is float32 ``[windows, threads, steps, features]`` in the units of
    :class:`.normalise.Scaling`, ``mask`` has its shape and is True where a number was measured and
    counts. A thread without any such number takes no part: it is neither learned from nor a
    neighbour of others, and its score is NaN. ValueError for any other shape or type.
    """

    explains: ClassVar[bool]  # whether errors() is known

    @property
    def together(self) -> bool:
        """Whether what the threads of a window did is read together, not each by itself."""

    def fit(
        self,
        values: Floats,
        mask: Mask,
        *,
        validation: tuple[Floats, Mask] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn; ``validation`` has windows of other runs, to stop by."""

    def score_samples(self, values: Floats, mask: Mask) -> Scores:
        """``[windows, threads]``, higher = more abnormal; NaN where nothing was measured."""

    def errors(self, values: Floats, mask: Mask) -> Scores:
        """What each number adds to its thread's score, in the shape of ``values``.

        0 where not measured; its mean over what was measured of a thread is that thread's score.
        ValueError where the method knows no such shares (``explains`` is False).
        """

    def embed(self, values: Floats, mask: Mask) -> Floats:
        """``[windows, threads, latent]``, where the model places a thread; NaN as in scores."""

    def get_params(self) -> dict[str, Any]:
        """The parameters it was made with, by name; JSON can hold them."""

    def tensors(self) -> Tensors:
        """What was learned, by name; with the parameters it makes the model again."""

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """The fitted model of :meth:`get_params` and :meth:`tensors`; ValueError where they differ
        in shape."""


class UnfittedError(ValueError):
    """A model was asked for what it has not learned yet."""

    def __init__(self) -> None:
        """Say the cure."""
        super().__init__("the trace model is not fitted: call fit() or load() first")


def check(values: Floats, mask: Mask, shape: tuple[int, int] | None = None) -> None:
    """ValueError where the two are no arrays of windows: of numbers, and of bool for them.

    ``shape`` has the steps and features that a fitted model reads.
    """
    if values.ndim != 4 or 0 in values.shape[1:] or values.dtype.kind != "f":
        raise ValueError(
            f"windows of shape {list(values.shape)} and type {values.dtype}: "
            "[windows, threads, steps, features] of float32 are read"
        )
    if mask.shape != values.shape or mask.dtype != np.bool_:
        raise ValueError(
            f"a mask of shape {list(mask.shape)} and type {mask.dtype}: "
            f"{list(values.shape)} of bool is read, as the windows have"
        )
    if shape is not None and values.shape[2:] != shape:
        raise ValueError(
            f"windows of {values.shape[2]} steps and {values.shape[3]} features: "
            f"the model reads {shape[0]} and {shape[1]}; train it anew on such windows"
        )


def measured(
    values: Floats, mask: Mask, shape: tuple[int, int] | None = None
) -> tuple[Floats, Mask]:
    """``values`` within ±LARGEST, 0 where not measured, and the mask of what was.

    NaN and infinite numbers count as not measured. ValueError as in :func:`check`.
    """
    check(values, mask, shape)
    counts = mask & np.isfinite(values)
    bounded = np.clip(np.where(counts, values, 0.0), -LARGEST, LARGEST)
    return np.asarray(bounded, dtype=np.float32), counts


def in_blocks(
    values: Floats, mask: Mask, shape: tuple[int, int], each: int
) -> Iterator[tuple[slice, Floats, Mask]]:
    """The same, some windows at a time: their place, values and mask.

    ``each`` numbers are worked with for one window; small blocks stay in the processor's cache.
    """
    check(values, mask, shape)
    size = max(1, BLOCK // each)
    for begin in range(0, len(values), size):
        block = slice(begin, begin + size)
        yield block, *measured(values[block], mask[block])


def present(mask: Mask) -> Mask:
    """``[windows, threads]``, True where a thread was measured at all."""
    return np.asarray(mask.any(axis=(2, 3)))


def rows_of(values: NDArray[Any], there: Mask) -> NDArray[Any]:
    """``[rows, steps * features]`` of the threads that ``there`` marks."""
    return values[there].reshape(int(there.sum()), values.shape[2] * values.shape[3])


def to_learn(values: Floats, mask: Mask) -> Floats:
    """``[rows, steps * features]`` of all measured threads; ValueError where there is none."""
    values, mask = measured(values, mask)
    there = present(mask)
    if not there.any():
        raise ValueError("no window with a measured thread: there is nothing to learn from")
    return np.asarray(rows_of(values, there))


def mean_errors(errors: Scores, mask: Mask) -> Scores:
    """``[windows, threads]``: the mean of ``errors`` over what was measured; NaN where nothing."""
    count = mask.sum(axis=(2, 3))
    total = errors.sum(axis=(2, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
