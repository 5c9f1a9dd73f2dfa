"""Windows of trace go from the store, which holds the newest, to the archive, each at least once.

The store remembers how far that is. A window is written before that is moved on, so a kill between
the two has it written again: to the same file, and the archive tells each window once.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ..jobs.fields import WireError
from ..jobs.text import printable
from ..jobs.windows import TraceWindow
from . import windows
from .sources.archive import Archive
from .store import Store

SECONDS = 60.0  # between two looks
MANY = 500  # new windows that are not made to wait for the next look
BATCH_BYTES = 32 << 20  # of windows on the wire, that are in memory at once
HOUSE_SECONDS = 3600.0
_CURSOR = ("", "archive")  # every scheduler's has a cluster

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """What the archive may hold: windows of so many days, files of so many bytes."""

    days: float
    bytes: float


class Archiving:
    """The archive's part of the brain's round; ``archived`` is told how many windows it got."""

    def __init__(
        self,
        store: Store,
        archive: Archive,
        bounds: Bounds,
        clock: Callable[[], float],
        archived: Callable[[int], None],
    ) -> None:
        """Nothing is moved yet; everything is due."""
        self._store, self._archive, self._bounds = store, archive, bounds
        self._clock, self._archived = clock, archived
        self._due = self._house_due = -math.inf

    def round(self) -> None:
        """Do what is due. OSError where the archive cannot be written: nothing is lost by that."""
        now = self._clock()
        if now >= self._due or self._are_many():
            self._due = now + SECONDS
            while moved := move(self._store, self._archive, now):
                self._archived(moved)
        if now >= self._house_due:
            self._house_due = now + HOUSE_SECONDS
            self._archive.check()
            self._archive.compact()
            self._archive.prune(self._bounds.days, self._bounds.bytes, now)

    def _are_many(self) -> bool:
        with self._store.read() as db:
            return windows.newest(db) - reached(db) >= MANY


def move(store: Store, archive: Archive, now: float) -> int:
    """Archive the oldest windows that are not archived; how many were looked at, 0: all are."""
    with store.read() as db:
        rows = _batch(db, reached(db))
    if not rows:
        return 0
    archive.add([window for row in rows if (window := _read(row)) is not None], now)
    with store.write() as db:
        db.execute("INSERT OR REPLACE INTO cursors VALUES (?,?,?)", (*_CURSOR, rows[-1]["id"]))
    return len(rows)


def reached(db: sqlite3.Connection) -> int:
    """The last window (its id in the store) that is in the archive; 0 before the first."""
    query = "SELECT time FROM cursors WHERE cluster = ? AND scheduler = ?"
    row = db.execute(query, _CURSOR).fetchone()
    return 0 if row is None else int(row["time"])


def _batch(db: sqlite3.Connection, after: int) -> list[sqlite3.Row]:
    rows, size = [], 0
    for row in db.execute("SELECT id, key, body FROM windows WHERE id > ? ORDER BY id", (after,)):
        rows.append(row)
        size += len(row["body"])
        if size >= BATCH_BYTES:
            break
    return rows


def _read(row: sqlite3.Row) -> TraceWindow | None:
    try:
        return windows.read(row["body"])
    except (WireError, TypeError) as error:  # another version wrote it
        log.warning("window %s is not archived: %s", printable(row["key"]), error)
        return None
