"""Recorded traces as shorter windows, or as a slower sampling would have shown them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .dataset import Recorded


def recut(recorded: Iterable[Recorded], steps: int, stride: int | None = None) -> list[Recorded]:
    """The same traces in windows of ``steps``, one every ``stride`` (no overlap without it).

    What is left at the end of a longer window is dropped, and so are windows shorter than that.
    """
    pieces: list[Recorded] = []
    for one in recorded:
        whole = one.window
        values = np.frombuffer(whole.values, np.float32).reshape(whole.shape)
        for first in range(0, whole.steps - steps + 1, stride or steps):
            piece = replace(
                whole,
                start=whole.start + first * whole.step_seconds,
                values=array("f", values[:, first : first + steps].tobytes()),
            )
            pieces.append(replace(one, window=piece))
    return pieces


def coarsen(recorded: Iterable[Recorded], factor: int) -> list[Recorded]:
    """The same traces as a sampling ``factor`` times slower shows them: means over so many steps.

    All features are rates or shares, so that their mean is what the slower one reads; NaN where
    nothing was measured of a longer step. What is left at the end of a window is dropped.
    """
    coarse: list[Recorded] = []
    for one in recorded:
        whole, (threads, steps, features) = one.window, one.window.shape
        kept = steps // factor
        if not kept:
            continue
        values = np.frombuffer(whole.values, np.float32).reshape(whole.shape)
        parts = values[:, : kept * factor].reshape(threads, kept, factor, features)
        known = np.isfinite(parts)
        total = np.where(known, parts, 0).sum(axis=2, dtype=np.float64)
        count = known.sum(axis=2)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
        slower = replace(
            whole, step_seconds=whole.step_seconds * factor, values=array("f", mean.tobytes())
        )
        coarse.append(replace(one, window=slower))
    return coarse
