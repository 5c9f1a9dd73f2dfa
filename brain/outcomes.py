"""Events as they are kept: each once, and an end again only where a later word corrects it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from ..jobs import wire
from ..jobs.events import EventKind, JobEvent
from ..jobs.exits import Exit, ExitKind
from ..jobs.identity import Run
from ..jobs.records import RunRecord
from . import audit, truth


def keep(db: sqlite3.Connection, event: JobEvent, now: float) -> bool:
    """Store an event; False where it was told before and changes nothing.

    Of a run's end a later word counts where it corrects the one before (:mod:`truth`). Each end is
    weighed once: what was not believed, or is not any more, never comes back, so two tellers who
    contradict each other at every poll do not make the run change for ever.
    """
    row = (event.key, event.run.key, event.kind.value, wire.dumps(event).decode(), now)
    if db.execute("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?)", row).rowcount:
        return True
    if event.kind not in (EventKind.END, EventKind.OUTCOME):
        return False
    known, told = _exit(_stored(db, event.key)), _exit(event)
    if event.kind is EventKind.END:
        # An agent that heard no end hook in time tells an end of kind unknown, and the hook may
        # speak after all.
        replaces = known.kind is ExitKind.UNKNOWN and told.kind is not ExitKind.UNKNOWN
    else:
        replaces = _weigh(db, event.run, known, told, now)
    if replaces:
        db.execute(
            "UPDATE events SET body = ?, received = ? WHERE key = ?", (row[3], now, event.key)
        )
    return replaces


def _weigh(db: sqlite3.Connection, run: Run, known: Exit, told: Exit, now: float) -> bool:
    """Does this outcome take the place of the known one? The other is given up."""
    if told == known:
        return False
    row = "SELECT 1 FROM given_up WHERE run = ? AND exit = ?"
    if db.execute(row, (run.key, _text(told))).fetchone():
        return False
    replaces = truth.corrects(known, told)
    other = known if replaces else told
    db.execute("INSERT OR IGNORE INTO given_up VALUES (?,?,?)", (run.key, _text(other), now))
    return replaces


def _stored(db: sqlite3.Connection, key: str) -> JobEvent:
    row = db.execute("SELECT body FROM events WHERE key = ?", (key,)).fetchone()
    message = wire.loads(row["body"].encode())
    assert isinstance(message, JobEvent)
    return message


def _exit(event: JobEvent) -> Exit:
    return event.exit or Exit(event.run.scheduler, ExitKind.UNKNOWN)


def _text(exit: Exit) -> str:
    return json.dumps(vars(exit), sort_keys=True)


# ---- audit -------------------------------------------------------------------------------------


def note_correction(
    db: sqlite3.Connection,
    event: JobEvent,
    events: Sequence[JobEvent],
    before: RunRecord | None,
    after: RunRecord,
    now: float,
) -> None:
    """Audit that accounting says another end than was told, whichever of them came later.

    ``events`` are all of the run, ``before`` and ``after`` its record without and with this one.
    """
    if after.exit is None:
        return
    if event.kind is EventKind.OUTCOME:
        told = _told_before(before.exit if before else None, events, after.exit)
    elif event.kind is EventKind.END:
        told = _told_late(event, events, after.exit)
    else:
        return
    if told:
        detail = f"{event.run.key}: {told}, accounting says {truth.phrase(after.exit)}"
        audit.note(db, now, "brain", audit.CORRECTED, detail=detail)


def _told_before(old: Exit | None, events: Sequence[JobEvent], now_known: Exit) -> str:
    """Who said what before accounting corrected it; nothing where it did not."""
    if old is None:
        return ""
    ends = (event for event in events if event.kind is EventKind.END)
    node = next((event.node for event in ends if _exit(event) == old), "")
    if node:
        corrected = old.kind is not ExitKind.UNKNOWN and old.key != now_known.key
    else:
        corrected = truth.phrase(old) != truth.phrase(now_known)
    teller = f"node {node}" if node else "accounting"
    return f"{teller} said {truth.phrase(old)}" if corrected else ""


def _told_late(event: JobEvent, events: Sequence[JobEvent], now_known: Exit) -> str:
    """What a node says although accounting has spoken, unless another node said so before."""
    if not any(told.kind is EventKind.OUTCOME for told in events):
        return ""
    exit = _exit(event)
    others = {_exit(e).key for e in events if e.kind is EventKind.END and e.node != event.node}
    if exit.kind is ExitKind.UNKNOWN or exit.key == now_known.key or exit.key in others:
        return ""
    return f"node {event.node} said {truth.phrase(exit)}"
