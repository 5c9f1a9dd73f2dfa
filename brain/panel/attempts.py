"""Wrong tokens by where they came from: who guesses has to wait."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST = 5  # wrong tokens from one address
SECONDS = 60.0  # in which they count
MAX_ADDRESSES = 1000  # that are remembered; the oldest are forgotten


class Attempts:
    """Wrong tokens of the last minute, in memory. Times are epoch seconds."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Seconds until an address may try again; 0 where it may now."""
        with self._lock:
            recent = self._recent(address, now)
        return recent[-MOST] + SECONDS - now if len(recent) >= MOST else 0.0

    def note(self, address: str, now: float) -> None:
        """Remember a wrong token."""
        with self._lock:
            self._wrong[address] = [*self._recent(address, now), now][-MOST:]
            self._wrong.move_to_end(address)
            while len(self._wrong) > MAX_ADDRESSES:
                self._wrong.popitem(last=False)

    def _recent(self, address: str, now: float) -> list[float]:
        return [time for time in self._wrong.get(address, ()) if 0 <= now - time < SECONDS]
