"""Many windows of one shape as arrays, and back."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...jobs.windows import TraceWindow

NOBODY = -1  # in Frames.owners: a thread of nobody's or of several


@dataclass(frozen=True)
class Frames:
    """Windows that agree in their shape; index 0 of every array is the window.

    ``values`` is ``[windows, threads, steps, features]`` float32, NaN where not measured;
    ``starts`` are epoch seconds, ``threads`` and ``owners`` ``[windows, threads]``, the latter
    places in ``runs`` (run keys) or ``NOBODY``.
    """

    keys: tuple[str, ...]
    nodes: tuple[str, ...]
    starts: NDArray[np.float64]
    step_seconds: NDArray[np.float64]
    threads: NDArray[np.int32]
    owners: NDArray[np.int32]
    runs: tuple[str, ...]
    features: tuple[str, ...]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.keys)

    def window(self, place: int) -> TraceWindow:
        """One of them."""
        values = array("f")
        values.frombytes(np.ascontiguousarray(self.values[place]).tobytes())
        owners = self.owners[place].tolist()
        return TraceWindow(
            node=self.nodes[place],
            start=float(self.starts[place]),
            step_seconds=float(self.step_seconds[place]),
            threads=tuple(self.threads[place].tolist()),
            owners=tuple(None if owner == NOBODY else self.runs[owner] for owner in owners),
            values=values,
            features=self.features,
        )

    def __iter__(self) -> Iterator[TraceWindow]:
        """One window after the other."""
        return (self.window(place) for place in range(len(self)))
