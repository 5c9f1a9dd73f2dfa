"""The audit: who did what to which recommendation, when and why. Rows are added, never changed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

CORRECTED = "outcome corrected"  # accounting told another end than what was believed


@dataclass(frozen=True)
class Entry:
    """One row of the audit; ``recommendation`` is None where it concerns none."""

    time: float
    who: str
    what: str
    recommendation: int | None
    detail: str


def note(
    db: sqlite3.Connection,
    now: float,
    who: str,
    what: str,
    recommendation: int | None = None,
    detail: str = "",
) -> None:
    """Add a row."""
    db.execute(
        "INSERT INTO audit (time, who, what, recommendation, detail) VALUES (?,?,?,?,?)",
        (now, who, what, recommendation, detail),
    )


def of_recommendation(db: sqlite3.Connection, recommendation: int) -> list[Entry]:
    """The rows about one recommendation, oldest first."""
    rows = db.execute(
        "SELECT time, who, what, recommendation, detail FROM audit"
        " WHERE recommendation = ? ORDER BY id",
        (recommendation,),
    )
    return [Entry(*row) for row in rows]


def newest(db: sqlite3.Connection, limit: int) -> list[Entry]:
    """The last rows, newest first."""
    rows = db.execute(
        "SELECT time, who, what, recommendation, detail FROM audit ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [Entry(*row) for row in rows]
