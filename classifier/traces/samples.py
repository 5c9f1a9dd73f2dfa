"""Stacking windows of nodes: what each thread did while one run owned it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...jobs.windows import TraceWindow
from .normalise import Floats, Mask


@dataclass(frozen=True)
class Samples:
    """``values`` is ``[windows, threads, steps, features]`` with NaN; ``owners`` has their runs.

    Nodes with fewer threads are filled up with threads that nobody owns. A thread that belonged to
    several runs within the window, as when one job ended and the next began, has the owner None
    and is masked: its numbers are a mixture that no run answers for.
    """

    values: Floats
    owners: NDArray[np.object_]  # [windows, threads], run key or None

    @property
    def runs(self) -> list[str]:
        """The run keys, sorted."""
        return sorted({str(owner) for owner in self.owners.flat if owner is not None})

    @property
    def usable(self) -> Mask:
        """``[windows, threads]``: threads that one run owned and of which something is known."""
        return np.asarray(self._owned_by(self.runs) & np.isfinite(self.values).any(axis=(2, 3)))

    def of(self, runs: Iterable[str]) -> Samples:
        """The threads of ``runs`` alone, in the windows where there are any.

        Threads of other runs beside them belong to nobody here: a window of two runs is split.
        """
        kept = self._owned_by(runs)
        some = kept.any(axis=1)
        owners = self.owners.copy()
        owners[~kept] = None
        return Samples(self.values[some], owners[some])

    def _owned_by(self, runs: Iterable[str]) -> Mask:
        wanted = set(runs)
        owned = np.array([owner in wanted for owner in self.owners.flat], dtype=bool)
        return owned.reshape(self.owners.shape)


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


def stack(windows: Sequence[TraceWindow], steps: int, features: tuple[str, ...]) -> Samples:
    """All windows in one array, as wide as the widest; ValueError for another shape."""
    widest = max((len(window.threads) for window in windows), default=1)
    values = np.full((len(windows), widest, steps, len(features)), np.nan, dtype=np.float32)
    owners = np.full((len(windows), widest), None, dtype=object)
    for row, window in enumerate(windows):
        check_shape(window, steps, features)
        values[row, : len(window.threads)] = values_of(window)
        owners[row, : len(window.threads)] = window.owners
    return Samples(values, owners)
