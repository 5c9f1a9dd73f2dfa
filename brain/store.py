"""The brain's SQLite file: its schema, reading and writing transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE events (
    key TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    received REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_by_run ON events (run);

CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    workflow TEXT NOT NULL,
    site TEXT NOT NULL,
    started REAL,
    ended REAL,
    verdict TEXT NOT NULL CHECK (verdict IN ('active', 'success', 'failed', 'other')),
    blames_site INTEGER NOT NULL,
    accounted INTEGER NOT NULL,
    changed REAL NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_workflow ON runs (cluster, workflow, verdict);
CREATE INDEX runs_by_site ON runs (cluster, site, ended);
CREATE INDEX runs_by_change ON runs (changed);

CREATE TABLE workflows (
    cluster TEXT NOT NULL,
    name TEXT NOT NULL,
    changed REAL NOT NULL,
    warned REAL,
    judged REAL,
    PRIMARY KEY (cluster, name)
) WITHOUT ROWID;

CREATE TABLE recommendations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster TEXT NOT NULL,
    workflow TEXT NOT NULL,
    cause TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    facts TEXT NOT NULL,
    created REAL NOT NULL,
    moved REAL NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX recommendations_by_workflow ON recommendations (cluster, workflow, id);
CREATE UNIQUE INDEX one_open_recommendation ON recommendations (cluster, workflow)
    WHERE state IN ('proposed', 'approved', 'applied');

CREATE TABLE steps (
    recommendation INTEGER NOT NULL REFERENCES recommendations (id),
    number INTEGER NOT NULL,
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'started', 'done', 'failed')),
    body TEXT NOT NULL,
    PRIMARY KEY (recommendation, number)
) WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    recommendation INTEGER,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_recommendation ON audit (recommendation);
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TABLE windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    received REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE window_owners (
    run TEXT NOT NULL,
    window INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
    PRIMARY KEY (run, window)
) WITHOUT ROWID;
CREATE INDEX window_owners_by_window ON window_owners (window);

CREATE TABLE cursors (
    cluster TEXT NOT NULL,
    scheduler TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (cluster, scheduler)
) WITHOUT ROWID;
"""


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
        with self.write() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _statements(SCHEMA):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path}: has schema {version}, this jobmend reads {SCHEMA_VERSION}"
                )

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
