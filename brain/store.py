"""The brain's SQLite file: its schema, reading and writing transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .schema import STEPS

SCHEMA_VERSION = len(STEPS)


class StoreError(Exception):
    """The store cannot be used; the message says which file and why."""


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

    def close(self) -> None:
        """Close the file; further use is an error."""
        with self._lock:
            self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys=ON")
    return db


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
