"""Where windows of trace are read from: one interface for the archive and for other servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ...jobs.windows import TraceWindow


class TraceSource(Protocol):
    """Gives the windows of a stretch of time."""

    def windows(self, since: float, until: float) -> Iterator[TraceWindow]:
        """The windows whose first step lies in ``[since, until)``, epoch seconds; oldest first.

        No window is given twice. Nothing is read before the first is asked for.
        """
