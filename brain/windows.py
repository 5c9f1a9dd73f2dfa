"""Trace windows, kept for training and scoring: the newest ones, up to a bound."""

from __future__ import annotations

import sqlite3

from ..jobs import wire
from ..jobs.identity import Run
from ..jobs.windows import TraceWindow


def add(db: sqlite3.Connection, window: TraceWindow, now: float, bound: int) -> bool:
    """Keep a window and drop the oldest beyond ``bound``; False if it is there already."""
    cursor = db.execute(
        "INSERT OR IGNORE INTO windows (key, received, body) VALUES (?,?,?)",
        (window.key, now, wire.dumps(window)),
    )
    if not cursor.rowcount:
        return False
    owners = {owner for owner in window.owners if owner is not None}
    db.executemany(
        "INSERT INTO window_owners VALUES (?,?)",
        [(owner, cursor.lastrowid) for owner in sorted(owners)],
    )
    db.execute(
        "DELETE FROM windows WHERE id <= (SELECT max(id) FROM windows) - ?",
        (bound,),
    )
    return True


def of_run(db: sqlite3.Connection, run: Run, limit: int) -> list[TraceWindow]:
    """The newest windows in which ``run`` owned a thread, at most ``limit``."""
    rows = db.execute(
        "SELECT body FROM windows JOIN window_owners ON window = id WHERE run = ?"
        " ORDER BY id DESC LIMIT ?",
        (run.key, limit),
    )
    return [read(row["body"]) for row in rows]


def newest(db: sqlite3.Connection) -> int:
    """The id of the window that came last; 0 where there is none."""
    (found,) = db.execute("SELECT max(id) FROM windows").fetchone()
    return found or 0


def read(body: bytes) -> TraceWindow:
    """A window as it is kept; WireError or TypeError where it is none."""
    message = wire.loads(body)
    if not isinstance(message, TraceWindow):
        raise TypeError(f"{type(message).__name__} among the windows")
    return message
