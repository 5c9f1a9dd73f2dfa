"""What turns have looked at: an example is new to the first that sees it, however late it came.

Of each is kept a digest of its key and of what is told of it. So a window of a job that ran on is
new once more when the job's end says what it was. What a turn had no room for nobody vetted: it is
left out for good, and is neither late nor old some day.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import Any

from .subject import Example

LEFT_OUT = ""  # in place of the turn
_BYTES = 16


def mark(example: Example[Any]) -> bytes:
    """The digest of an example and of what is told of it."""
    told = f"{example.key}\0{example.truth}".encode(errors="surrogateescape")
    return hashlib.sha256(told).digest()[:_BYTES]


def by_others(db: sqlite3.Connection, subject: str, turn: str) -> frozenset[bytes]:
    """The marks of all that turns but ``turn`` saw first."""
    rows = db.execute("SELECT mark FROM seen WHERE subject = ? AND turn <> ?", (subject, turn))
    return frozenset(row["mark"] for row in rows)


def left_out(db: sqlite3.Connection, subject: str) -> frozenset[bytes]:
    """The marks of all that there was no room for."""
    rows = db.execute("SELECT mark FROM seen WHERE subject = ? AND turn = ?", (subject, LEFT_OUT))
    return frozenset(row["mark"] for row in rows)


def keep(
    db: sqlite3.Connection,
    subject: str,
    turn: str,
    examples: Iterable[Example[Any]],
    since: float,
) -> None:
    """Note what a turn has seen, once; what is older than ``since`` is forgotten."""
    db.execute("DELETE FROM seen WHERE subject = ? AND time < ?", (subject, since))
    db.executemany(
        "INSERT OR IGNORE INTO seen (subject, mark, turn, time) VALUES (?,?,?,?)",
        [(subject, mark(one), turn, one.time) for one in examples if one.time >= since],
    )
