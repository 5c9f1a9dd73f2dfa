"""From when on a scheduler's history is asked for, kept over restarts."""

from __future__ import annotations

import sqlite3

FIRST_SECONDS = 7 * 86400.0  # how far back the first poll looks
OVERLAP_SECONDS = 600.0  # accounting tells late, and clocks differ
LATE_SECONDS = 86400.0  # how long accounting may owe the outcome of a run that a node saw end


def since(db: sqlite3.Connection, key: tuple[str, str], now: float) -> float:
    """Epoch seconds from which ``key`` (cluster, scheduler) is asked: before all it still owes."""
    row = db.execute("SELECT time FROM cursors WHERE cluster = ? AND scheduler = ?", key).fetchone()
    if row is None:
        return max(0.0, now - FIRST_SECONDS)
    (owed,) = db.execute(
        "SELECT min(ended) FROM runs WHERE cluster = ? AND scheduler = ?"
        " AND NOT accounted AND ended > ?",
        (*key, now - LATE_SECONDS),
    ).fetchone()
    asked = min(row["time"], now if owed is None else owed)
    return max(0.0, float(asked) - OVERLAP_SECONDS)


def advance(db: sqlite3.Connection, key: tuple[str, str], time: float) -> None:
    """Note that everything up to ``time`` was asked for."""
    db.execute("INSERT OR REPLACE INTO cursors VALUES (?,?,?)", (*key, time))
