"""The brain's SQLite file: its schema, reading and writing transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .schema import STEPS

SCHEMA_VERSION = len(STEPS)


class StoreError(Exception):
    """The store cannot be used; the message says which file and why."""


@dataclass(frozen=True)
class Size:
    """Bytes of the file and its write-ahead log, and of free pages in the file."""

    bytes: int
    free_bytes: int


class Store:
    """One SQLite file in WAL mode; any thread may read, one at a time writes.

    A write that has returned is on the disk (``synchronous=FULL``): the agents forget what was
    accepted here.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path`` or make it; StoreError if it is no store of this version."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _connect(path)
            self._writer.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a new file only
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: {error}") from error

    def _prepare(self) -> None:
        """Bring the file to this version in one transaction: a kill leaves it as it was."""
        with self.write() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path}: has schema {version}, this jobmend reads up to {SCHEMA_VERSION}"
                )
            for step in STEPS[version:]:
                for statement in _statements(step):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed at the end, or rolled back on any exception."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own that sees one state of the store and cannot write."""
        with closing(_connect(self.path)) as db:
            db.execute("PRAGMA query_only=ON")
            db.execute("BEGIN")
            yield db

    def size(self) -> Size:
        """How much of the disk it takes, and how much of that holds nothing."""
        with self.read() as db:
            free, page = (_pragma(db, name) for name in ("freelist_count", "page_size"))
        log = Path(f"{self.path}-wal")
        taken = sum(file.stat().st_size for file in (self.path, log) if file.exists())
        return Size(taken, free * page)

    def give_back(self, spare: float, pages: int) -> int:
        """Return at most ``pages`` free pages to the file system; how many it were.

        A share ``spare`` of the file stays free for what comes next. 0 also for a file of a brain
        that did not do this yet: it has to be vacuumed once.
        """
        with self._lock:
            before, count = (_pragma(self._writer, it) for it in ("freelist_count", "page_count"))
            beyond = min(pages, before - int(spare * count))
            if beyond <= 0:
                return 0
            # As a script: it gives one page back each time it is stepped, and `execute` steps once.
            self._writer.executescript(f"PRAGMA incremental_vacuum({beyond})")
            return before - _pragma(self._writer, "freelist_count")

    def close(self) -> None:
        """Close the file; further use is an error."""
        with self._lock:
            self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys=ON")
    return db


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
