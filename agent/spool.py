"""Messages on disk until the brain has them: an SQLite database that a power cut does not empty.

While the disk is full, messages wait in memory and every write is tried again. Where there is no
room left at all, the oldest windows of trace go first, then the oldest events; both are counted.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..jobs import wire
from ..jobs.events import JobEvent

EVENT, WINDOW = "event", "window"
MAX_WAITING = 10_000  # messages kept in memory while the disk takes none
MAX_WAITING_WINDOWS = 64  # of them windows, which are large
MAX_REJECTED = 1000  # messages the brain refused, kept for a person to look at

# synchronous=FULL: with WAL, NORMAL would lose what was committed last in a power cut.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -256;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body BLOB NOT NULL,
    told INTEGER NOT NULL DEFAULT (strftime('%s', 'now'))
);
CREATE INDEX IF NOT EXISTS messages_kind ON messages (kind, id);
CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL, error TEXT NOT NULL
);
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spooled:
    """A message in the spool: its place in the order, and its JSON."""

    id: int
    kind: str
    body: bytes


class Spool:
    """The messages in order. All methods may be called from any thread."""

    def __init__(self, path: str, max_rows: int) -> None:
        """Open or make the database; OSError or sqlite3.Error where that cannot be."""
        self._max_rows = max_rows
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, bytes]] = []
        self.dropped: Counter[str] = Counter()
        self.errors = 0
        self.failing = False
        os.makedirs(os.path.dirname(path) or ".", mode=0o755, exist_ok=True)
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # the place is wrong, not the file
            aside = f"{path}.damaged-{int(time.time())}"
            log.error("%s is damaged (%s); it is kept as %s and begun anew", path, error, aside)
            os.rename(path, aside)
            self._database = _open(path)
        counts = self._database.execute("SELECT kind, count(*) FROM messages GROUP BY kind")
        self._rows: Counter[str] = Counter(dict(counts.fetchall()))

    def add(self, messages: Iterable[wire.Message]) -> None:
        """Keep messages; once this returns they survive a power cut, unless the disk is full."""
        bodies = [
            (EVENT if isinstance(message, JobEvent) else WINDOW, wire.dumps(message))
            for message in messages
        ]
        with self._lock:
            self._waiting.extend(bodies)
            self._write()

    def retry(self) -> None:
        """Try again to write what the disk did not take."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if not self._waiting:
            return
        rows = self._rows + Counter(kind for kind, _ in self._waiting)
        try:
            with self._database:
                self._database.executemany(
                    "INSERT INTO messages (kind, body) VALUES (?, ?)", self._waiting
                )
                gone = self._make_room(rows)
        except sqlite3.Error as error:
            if not self.failing:
                log.error("the spool cannot be written, messages wait in memory: %s", error)
            self.failing = True
            self.errors += 1
            self._bound_waiting()
            return
        if self.failing:
            log.info("the spool is written again: %d messages had waited", len(self._waiting))
        self.failing = False
        self._waiting.clear()
        self._rows = rows - gone
        for kind, count in gone.items():
            self._count_dropped(kind, count)

    def _make_room(self, rows: Counter[str]) -> Counter[str]:
        """Delete what is too many, windows first; how many of each kind."""
        gone: Counter[str] = Counter()
        for kind in (WINDOW, EVENT):
            excess = sum(rows.values()) - sum(gone.values()) - self._max_rows
            if excess <= 0:
                break
            gone[kind] = self._database.execute(
                "DELETE FROM messages WHERE id IN "
                "(SELECT id FROM messages WHERE kind = ? ORDER BY id LIMIT ?)",
                (kind, excess),
            ).rowcount
        return gone

    def _bound_waiting(self) -> None:
        windows = [place for place, (kind, _) in enumerate(self._waiting) if kind == WINDOW]
        for place in reversed(windows[:-MAX_WAITING_WINDOWS]):
            del self._waiting[place]
            self._count_dropped(WINDOW, 1)
        while len(self._waiting) > MAX_WAITING:
            kind, _ = self._waiting.pop(0)
            self._count_dropped(kind, 1)

    def _count_dropped(self, kind: str, count: int) -> None:
        if count:
            self.dropped[kind] += count
            log.error("the spool is full: %d %s(s) dropped, the oldest first", count, kind)

    def oldest(self, limit: int, max_bytes: int) -> list[Spooled]:
        """The oldest messages, at most ``limit`` and ``max_bytes`` together but at least one."""
        taken: list[Spooled] = []
        size = 0
        with self._lock:
            rows = self._database.execute(
                "SELECT id, kind, body FROM messages ORDER BY id LIMIT ?", (limit,)
            )
            for row in rows:
                size += len(row[2]) + 1  # and a comma
                if taken and size > max_bytes:
                    break
                taken.append(Spooled(*row))
        return taken

    def settle(self, sent: Sequence[Spooled], rejected: dict[int, str]) -> None:
        """Forget messages the brain has; those it rejected (id: why) are set aside."""
        with self._lock:
            self._settle(sent, rejected)
            # What was dropped for want of room while it was being sent is not counted twice.
            kinds = self._database.execute("SELECT kind, count(*) FROM messages GROUP BY kind")
            self._rows = Counter(dict(kinds.fetchall()))

    def _settle(self, sent: Sequence[Spooled], rejected: dict[int, str]) -> None:
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO rejected (id, kind, body, error) VALUES (?, ?, ?, ?)",
                [
                    (one.id, one.kind, one.body, rejected[one.id])
                    for one in sent
                    if one.id in rejected
                ],
            )
            self._database.execute(
                "DELETE FROM rejected WHERE id NOT IN "
                "(SELECT id FROM rejected ORDER BY id DESC LIMIT ?)",
                (MAX_REJECTED,),
            )
            self._database.executemany(
                "DELETE FROM messages WHERE id = ?", [(one.id,) for one in sent]
            )

    def depth(self) -> dict[str, int]:
        """Messages by kind, those that wait for the disk included."""
        with self._lock:
            depth = self._rows + Counter(kind for kind, _ in self._waiting)
        return {kind: depth[kind] for kind in (EVENT, WINDOW)}

    def age(self, epoch: float) -> float:
        """Seconds that the oldest message has waited at ``epoch``; 0 where there is none."""
        with self._lock:
            oldest = "SELECT told FROM messages ORDER BY id LIMIT 1"
            row = self._database.execute(oldest).fetchone()
        return max(epoch - row[0], 0.0) if row else 0.0

    def close(self) -> None:
        """Write what still waits, as far as the disk takes it, and close the database."""
        with self._lock:
            self._write()
            self._database.close()


def _open(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=5, check_same_thread=False)
    try:
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
