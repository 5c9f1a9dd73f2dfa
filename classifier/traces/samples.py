"""Cutting windows into samples: what one thread did while one run owned it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...jobs.windows import TraceWindow
from .normalise import Floats


@dataclass(frozen=True)
class Samples:
    """``values`` is ``[samples, steps, features]`` with NaN; ``runs`` owns each sample."""

    values: Floats
    runs: tuple[str, ...]

    def of(self, runs: Iterable[str]) -> Samples:
        """The samples of ``runs`` alone."""
        wanted = set(runs)
        kept = [index for index, run in enumerate(self.runs) if run in wanted]
        return Samples(self.values[kept], tuple(self.runs[index] for index in kept))


def values_of(window: TraceWindow) -> Floats:
    """The window as an array ``[threads, steps, features]``."""
    return np.frombuffer(window.values, dtype=np.float32).reshape(window.shape)


def check_shape(window: TraceWindow, steps: int, features: tuple[str, ...]) -> None:
    """ValueError where the window has other steps or features than the model."""
    if window.steps != steps:
        raise ValueError(
            f"window {window.key}: {window.steps} steps, the model reads {steps}; "
            "set [window] steps of all agents alike and train anew"
        )
    if window.features != features:
        raise ValueError(
            f"window {window.key}: features {', '.join(window.features)}, "
            f"the model reads {', '.join(features)}; update the agents or train anew"
        )


def cut(windows: Iterable[TraceWindow], steps: int, features: tuple[str, ...]) -> Samples:
    """One sample per owned and measured thread of each window; ValueError for another shape."""
    values: list[Floats] = []
    runs: list[str] = []
    for window in windows:
        check_shape(window, steps, features)
        threads = values_of(window)
        for thread, owner in zip(threads, window.owners, strict=True):
            if owner is not None and np.isfinite(thread).any():
                values.append(thread)
                runs.append(owner)
    stacked = np.stack(values) if values else np.zeros((0, steps, len(features)), np.float32)
    return Samples(stacked, tuple(runs))
