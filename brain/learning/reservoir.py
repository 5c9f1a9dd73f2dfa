"""A fair sample of a stream whose length nobody knows (Vitter 1985, "Random sampling with a
reservoir", algorithm R).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from numpy.random import Generator

Item = TypeVar("Item")


class Reservoir(Generic[Item]):
    """At most ``capacity`` items of those seen, each kept with the same probability."""

    def __init__(
        self, capacity: int, rng: Generator, kept: list[Item] | None = None, seen: int = 0
    ) -> None:
        """Begin empty, or go on with what was ``kept`` of the first ``seen``."""
        self.capacity = capacity
        self.kept = list(kept or [])
        self.seen = max(seen, len(self.kept))
        self._rng = rng
        self.shrink(capacity)

    def add(self, item: Item) -> Item | None:
        """See one more; what has to go for it, or itself, or None where there is room."""
        self.seen += 1
        if len(self.kept) < self.capacity and self.seen <= self.capacity:
            self.kept.append(item)
            return None
        place = int(self._rng.integers(self.seen))
        if place >= len(self.kept):
            return item
        gone, self.kept[place] = self.kept[place], item
        return gone

    def shrink(self, capacity: int) -> list[Item]:
        """Make do with less room; what was thrown out, drawn by chance."""
        self.capacity = min(capacity, self.capacity)
        excess = len(self.kept) - self.capacity
        if excess <= 0:
            return []
        drawn = set(self._rng.choice(len(self.kept), excess, replace=False).tolist())
        gone = [item for place, item in enumerate(self.kept) if place in drawn]
        self.kept = [item for place, item in enumerate(self.kept) if place not in drawn]
        return gone
