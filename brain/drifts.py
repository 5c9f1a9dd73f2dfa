"""How far the data of each turn of learning had drifted, as it is kept."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable

from ..classifier.drift import Drift
from .nan import or_nan, or_none


def keep(db: sqlite3.Connection, turn: str, drifts: Iterable[Drift]) -> None:
    """Write a turn's drifts; told again they are the same rows. The turn itself must be there."""
    db.executemany(
        "INSERT OR REPLACE INTO drifts (turn, feature, psi, ks, p) VALUES (?,?,?,?,?)",
        [(turn, it.feature, or_none(it.psi), or_none(it.ks), or_none(it.p)) for it in drifts],
    )


def of_turn(db: sqlite3.Connection, turn: str) -> list[Drift]:
    """A turn's drifts, those that drifted first, the largest first."""
    rows = db.execute("SELECT feature, psi, ks, p FROM drifts WHERE turn = ?", (turn,))
    found = [Drift(row[0], or_nan(row[1]), or_nan(row[2]), or_nan(row[3])) for row in rows]
    return sorted(found, key=lambda it: (not it.drifted, -_size(it), it.feature))


def newest(db: sqlite3.Connection, subject: str) -> list[Drift]:
    """The drifts of the last turn of a subject that had any."""
    row = db.execute(
        "SELECT id FROM turns WHERE subject = ? AND id IN (SELECT turn FROM drifts)"
        " ORDER BY begun DESC LIMIT 1",
        (subject,),
    ).fetchone()
    return [] if row is None else of_turn(db, row["id"])


def _size(drift: Drift) -> float:
    return max((it for it in (drift.psi, drift.ks) if not math.isnan(it)), default=0.0)
