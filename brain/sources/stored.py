"""The windows that the store keeps for judging, as a source: few, but there from the first hour."""

from __future__ import annotations

from collections.abc import Iterator

from ...jobs.windows import TraceWindow
from .. import windows
from ..store import Store


class StoredWindows:
    """A :class:`.source.TraceSource` of the newest windows, as many as the store keeps."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store

    def windows(self, since: float, until: float) -> Iterator[TraceWindow]:
        """The windows whose first step lies in ``[since, until)``, oldest first."""
        with self._store.read() as db:
            rows = db.execute("SELECT body FROM windows ORDER BY id")
            found = [window for row in rows if since <= (window := windows.read(row["body"])).start]
        early = [window for window in found if window.start < until]
        yield from sorted(early, key=lambda window: (window.start, window.key))
