"""A bounded memory of rows of numbers: the oldest row goes when a new one comes."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence


class Ring:
    """The last ``capacity`` rows of ``width`` float32 each, in one array that never grows."""

    def __init__(self, width: int, capacity: int) -> None:
        """Make room at once: four bytes a number. ValueError for no room at all."""
        if width < 1 or capacity < 1:
            raise ValueError(f"a ring of {capacity} rows of {width} holds nothing")
        self.width = width
        self.capacity = capacity
        self._pack = struct.Struct(f"{width}f")
        self._values: array[float] = array("f", bytes(self._pack.size * capacity))
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

    def rows(self, count: int) -> list[array[float]]:
        """The newest ``count`` rows, or as many as there are, oldest first."""
        return [
            part[start : start + self.width]
            for part in self._newest(count)
            for start in range(0, len(part), self.width)
        ]

    def sums(self, count: int) -> list[float]:
        """The sum of each column over the newest ``count`` rows, or as many as there are."""
        parts = self._newest(count)
        return [
            sum(sum(part[column :: self.width]) for part in parts) for column in range(self.width)
        ]

    def _newest(self, count: int) -> tuple[array[float], array[float]]:
        """The values of the newest ``count`` rows, in two pieces where they go round the end."""
        count = min(count, len(self))
        end = self._rows % self.capacity
        begin = end - count
        if begin >= 0:
            return self._part(begin, end), self._values[:0]
        return self._part(begin + self.capacity, self.capacity), self._part(0, end)

    def _part(self, begin: int, end: int) -> array[float]:
        return self._values[begin * self.width : end * self.width]
