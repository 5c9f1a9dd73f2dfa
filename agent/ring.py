"""A bounded memory of rows of numbers: the oldest row goes when a new one comes."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence


class Ring:
    """The last ``capacity`` rows of ``width`` doubles each, in one array that never grows."""

    def __init__(self, width: int, capacity: int) -> None:
        """Make room at once: 8 bytes a number. ValueError for no room at all."""
        if width < 1 or capacity < 1:
            raise ValueError(f"a ring of {capacity} rows of {width} holds nothing")
        self.width = width
        self.capacity = capacity
        self._pack = struct.Struct(f"{width}d")
        self._values: array[float] = array("d", bytes(self._pack.size * capacity))
        self._rows = 0  # ever pushed

    def __len__(self) -> int:
        """Number of rows it holds."""
        return min(self._rows, self.capacity)

    def push(self, row: Sequence[float]) -> None:
        """Add a row; ValueError when it has not ``width`` numbers."""
        try:
            start = self._rows % self.capacity * self._pack.size
            self._pack.pack_into(self._values, start, *row)
        except struct.error:
            raise ValueError(f"{len(row)} numbers for a row of {self.width}") from None
        self._rows += 1

    def row(self, index: int) -> array[float]:
        """A row by its place: 0 is the oldest it holds, -1 the newest. IndexError beyond."""
        held = len(self)
        if not -held <= index < held:
            raise IndexError(f"row {index} of {held}")
        place = self._rows - held + index if index >= 0 else self._rows + index
        start = place % self.capacity * self.width
        return self._values[start : start + self.width]

    def rows(self, count: int) -> list[array[float]]:
        """The newest ``count`` rows, or as many as there are, oldest first."""
        held = len(self)
        return [self.row(index) for index in range(max(held - count, 0), held)]

    def since(self, column: int, least: float) -> array[float] | None:
        """The newest row whose ``column``, which ascends, is at most ``least``; None if none is."""
        if not len(self) or self.row(0)[column] > least:
            return None
        low, high = 0, len(self) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.row(middle)[column] <= least else (low, middle - 1)
        return self.row(low)
