"""A bounded memory of rows of numbers: the oldest row goes when a new one comes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable


class Ring:
    """The last ``capacity`` rows of ``width`` numbers each, in one array that never grows."""

    def __init__(self, typecode: str, width: int, capacity: int) -> None:
        """Make room at once; ``typecode`` as in :mod:`array`. ValueError for no room at all."""
        if width < 1 or capacity < 1:
            raise ValueError(f"a ring of {capacity} rows of {width} holds nothing")
        self.width = width
        self.capacity = capacity
        self._typecode = typecode
        room = bytes(array(typecode).itemsize * width * capacity)
        self._values: array[float] = array(typecode, room)
        self._rows = 0  # ever pushed

    def __len__(self) -> int:
        """Number of rows it holds."""
        return min(self._rows, self.capacity)

    def push(self, row: Iterable[float]) -> None:
        """Add a row; ValueError when it has not ``width`` numbers."""
        values: array[float] = array(self._typecode, row)
        if len(values) != self.width:
            raise ValueError(f"{len(values)} numbers for a row of {self.width}")
        start = self._rows % self.capacity * self.width
        self._values[start : start + self.width] = values
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
