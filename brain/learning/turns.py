"""The turns of the loop as the store knows them, and how long their steps took."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class TurnState(Enum):
    """How far a turn is, or how it ended."""

    RUNNING = "running"
    PROMOTED = "promoted"  # there is a new champion
    SHADOW = "shadow"  # a challenger is to win once more
    KEPT = "kept"  # the champion stays, or there was too little to learn from
    ROLLED_BACK = "rolled-back"  # the champion before is back
    QUARANTINED = "quarantined"  # nothing of the newest period was learned from
    FAILED = "failed"
    ABANDONED = "abandoned"  # interrupted, and too old to be resumed


@dataclass(frozen=True)
class TurnRecord:
    """One turn of one subject.

    ``body`` has, where known: ``why`` (one sentence), ``before`` and ``after`` (numbers of
    champions), ``shadow`` (who waits in shadow behind this turn), ``losses``, ``left_out``.
    """

    id: str
    subject: str
    begun: float  # seconds since the epoch
    ended: float | None
    state: TurnState
    body: Mapping[str, Any] = field(default_factory=dict)


def begin(db: sqlite3.Connection, turn: TurnRecord) -> None:
    """Keep a turn that begins."""
    db.execute(
        "INSERT INTO turns (id, subject, begun, ended, state, body) VALUES (?,?,?,?,?,?)",
        (turn.id, turn.subject, turn.begun, turn.ended, turn.state.value, json.dumps(turn.body)),
    )


def end(
    db: sqlite3.Connection, turn: str, state: TurnState, ended: float, body: Mapping[str, Any]
) -> None:
    """Say how a running turn ended; one that has ended stays as it is."""
    db.execute(
        "UPDATE turns SET state = ?, ended = ?, body = ? WHERE id = ? AND state = 'running'",
        (state.value, ended, json.dumps(dict(body)), turn),
    )


def get(db: sqlite3.Connection, turn: str) -> TurnRecord:
    """The turn of this id; KeyError where there is none."""
    found = _one(db, "id = ?", turn)
    if found is None:
        raise KeyError(turn)
    return found


def running(db: sqlite3.Connection, subject: str) -> list[TurnRecord]:
    """Turns of a subject that did not end, oldest first."""
    return _all(db, "subject = ? AND state = 'running'", subject)


_DECIDED = "subject = ? AND ended IS NOT NULL AND state NOT IN ('running', 'failed', 'abandoned')"
# One that kept the champion has closed its period where it had groups enough to compare by.
_CLOSED = f"""{_DECIDED} AND begun <= ?
    AND (state <> 'kept' OR json_extract(body, '$.figures."new groups"') >= ?)"""


def decided(db: sqlite3.Connection, subject: str, until: float = math.inf) -> TurnRecord | None:
    """The newest turn that ended and was neither failed nor abandoned.

    Of those that began by ``until``, if there are any: the clock may have been ahead once.
    """
    found = _one(db, f"{_DECIDED} AND begun <= ?", subject, until)
    return found or _one(db, _DECIDED, subject)


def closed(db: sqlite3.Connection, subject: str, until: float = math.inf) -> TurnRecord | None:
    """The newest turn begun by ``until`` that decided by its period: it left a model or a person
    has to look, or the champion was compared over enough groups.
    """
    from ...classifier.paired import LEAST_GROUPS

    return _one(db, _CLOSED, subject, until, LEAST_GROUPS)


def last_ended(db: sqlite3.Connection, subject: str) -> TurnRecord | None:
    """The newest turn that ended, however it did."""
    return _one(db, "subject = ? AND ended IS NOT NULL AND state <> 'abandoned'", subject)


def last_compared(db: sqlite3.Connection, subject: str) -> TurnRecord | None:
    """The newest turn that came to compare models."""
    return _one(db, "subject = ? AND json_extract(body, '$.losses') IS NOT NULL", subject)


def last_vetted(db: sqlite3.Connection, subject: str) -> TurnRecord | None:
    """The newest turn that judged a period by a champion."""
    return _one(db, "subject = ? AND json_extract(body, '$.odd_share') IS NOT NULL", subject)


def needed(db: sqlite3.Connection) -> set[str]:
    """The turns that tell how each subject stands now, however old they are: the last that was
    decided, closed its period, ended, came to compare, vetted or tested for drift, and those that
    made a champion.
    """
    rows = db.execute("SELECT DISTINCT subject FROM turns").fetchall()
    tests = "subject = ? AND id IN (SELECT turn FROM drifts)"
    last = [
        found
        for (subject,) in rows
        for found in (
            decided(db, subject),
            closed(db, subject),
            last_ended(db, subject),
            last_compared(db, subject),
            last_vetted(db, subject),
            _one(db, tests, subject),
        )
    ]
    of_champions = db.execute("SELECT turn FROM champions WHERE turn <> ''")
    return {one.id for one in last if one is not None} | {row["turn"] for row in of_champions}


@dataclass(frozen=True)
class Counted:
    """How many turns of a subject are in a state, and when the newest of them ended."""

    subject: str
    state: str
    turns: int
    ended: float | None


def counts(db: sqlite3.Connection) -> list[Counted]:
    """All turns by subject and state."""
    rows = db.execute(
        "SELECT subject, state, count(*) AS n, max(ended) AS ended FROM turns"
        " GROUP BY subject, state ORDER BY subject, state"
    )
    return [Counted(row["subject"], row["state"], row["n"], row["ended"]) for row in rows]


def history(db: sqlite3.Connection, subject: str, limit: int = 1000) -> list[TurnRecord]:
    """The turns of a subject, newest first."""
    return _all(db, "subject = ?", subject)[-limit:][::-1]


def note_step(
    db: sqlite3.Connection,
    turn: str,
    step: str,
    begun: float,
    seconds: float,
    output: Mapping[str, Any],
) -> None:
    """Keep how long a step took and what it gave; a step done again takes the place of itself."""
    db.execute(
        "INSERT OR REPLACE INTO turn_steps (turn, step, begun, seconds, body) VALUES (?,?,?,?,?)",
        (turn, step, begun, seconds, json.dumps(dict(output))),
    )


def steps(db: sqlite3.Connection, turn: str) -> dict[str, float]:
    """Seconds by step of a turn, in the order they were done."""
    rows = db.execute("SELECT step, seconds FROM turn_steps WHERE turn = ? ORDER BY begun", (turn,))
    return {row["step"]: row["seconds"] for row in rows}


def _one(db: sqlite3.Connection, where: str, *values: object) -> TurnRecord | None:
    found = _all(db, where, *values)
    return found[-1] if found else None


def _all(db: sqlite3.Connection, where: str, *values: object) -> list[TurnRecord]:
    """Oldest first. ``where`` is SQL of this module, never of strangers."""
    rows = db.execute(
        "SELECT id, subject, begun, ended, state, body FROM turns"
        f" WHERE {where} ORDER BY begun, id",
        values,
    )
    return [
        TurnRecord(
            row["id"],
            row["subject"],
            row["begun"],
            row["ended"],
            TurnState(row["state"]),
            json.loads(row["body"]),
        )
        for row in rows
    ]
