"""Stacking windows of nodes: what each thread did while one run owned it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ...jobs.windows import TraceWindow, WindowLength
from .normalise import Floats, Mask

AT_ONCE = 1 << 22  # numbers of windows that are scored together


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


def check_length(window: TraceWindow, length: WindowLength) -> None:
    """ValueError where the window has other steps, or longer or shorter ones, than the model."""
    if not window.length.same(length):
        raise ValueError(
            f"window {window.key}: {window.length}, the model reads {length}; set [sample] "
            "period_seconds and [window] steps of all agents alike, or train anew on such windows"
        )


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


def apart(windows: Sequence[TraceWindow], steps: int, features: tuple[str, ...]) -> Samples:
    """Each owned thread as a window of its own; ValueError for another shape.

    Nothing is filled up: jobs of one thread take no more memory beside jobs of hundreds.
    """
    values, owners = [np.empty((0, steps, len(features)), np.float32)], []
    for window in windows:
        check_shape(window, steps, features)
        owned = [place for place, owner in enumerate(window.owners) if owner is not None]
        values.append(values_of(window)[owned])
        owners += [window.owners[place] for place in owned]
    return Samples(np.concatenate(values)[:, None], np.array(owners, dtype=object)[:, None])


def by_width(windows: Sequence[TraceWindow]) -> Iterator[list[int]]:
    """The places of all windows, some at a time: of equal width, and AT_ONCE numbers or one."""

    def width(place: int) -> int:
        return len(windows[place].threads)

    for _, group in groupby(sorted(range(len(windows)), key=width), key=width):
        places = list(group)
        size = max(1, AT_ONCE // len(windows[places[0]].values))
        for begin in range(0, len(places), size):
            yield places[begin : begin + size]
