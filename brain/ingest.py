"""Messages into the store: told at least once, taken exactly once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..jobs import wire
from ..jobs.events import WARNINGS, EventKind, JobEvent
from ..jobs.exits import ExitKind
from ..jobs.fields import WireError
from ..jobs.identity import Run
from ..jobs.windows import TraceWindow
from . import audit, runs, windows
from .store import Store


@dataclass(frozen=True)
class Rejection:
    """A message that was not taken: its place in the batch, and the field that is wrong."""

    index: int
    error: str


@dataclass(frozen=True)
class Receipt:
    """What became of a batch."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)


def take_documents(
    store: Store, documents: Sequence[object], *, now: float, max_windows: int
) -> Receipt:
    """Store the readable ones of decoded wire messages in one transaction; report the others."""
    messages: list[wire.Message] = []
    rejected = []
    for index, document in enumerate(documents):
        try:
            messages.append(read_document(document))
        except WireError as error:
            rejected.append(Rejection(index, str(error)))
    receipt = take(store, messages, now=now, max_windows=max_windows)
    return Receipt(receipt.accepted, receipt.duplicates, rejected)


def take_events(
    store: Store, events: Iterable[JobEvent], *, now: float, max_windows: int
) -> Receipt:
    """Store what a scheduler told, read as strictly as what comes over the wire."""
    documents = [
        {"jobmend": wire.VERSION, "kind": "event", "body": wire.event_body(event)}
        for event in events
    ]
    return take_documents(store, documents, now=now, max_windows=max_windows)


def read_document(document: object) -> wire.Message:
    """Read a decoded message. Half of a surrogate pair, which no file can hold, becomes ``?``."""
    try:
        text = json.dumps(document, ensure_ascii=False)
        return wire.loads(text.encode("utf-8", "replace"))
    except RecursionError as error:
        raise WireError("message", "nested too deeply") from error


def take(
    store: Store, messages: Iterable[wire.Message], *, now: float, max_windows: int
) -> Receipt:
    """Store messages in one transaction: all of them or, on an exception, none."""
    accepted = duplicates = 0
    with store.write() as db:
        for message in messages:
            if isinstance(message, TraceWindow):
                new = windows.add(db, message, now, max_windows)
            else:
                new = _take_event(db, message, now)
            accepted += new
            duplicates += not new
    return Receipt(accepted, duplicates)


# Told twice is told once. But an agent that heard no end hook in time tells an end of its own, of
# kind unknown, and the hook may speak after all.
_KEEP_EVENT = """
INSERT INTO events VALUES (?,?,?,?,?)
ON CONFLICT DO UPDATE SET body = excluded.body, received = excluded.received
WHERE kind = 'end'
  AND json_extract(body, '$.body.exit.kind') = 'unknown'
  AND json_extract(excluded.body, '$.body.exit.kind') != 'unknown'
"""


def _take_event(db: sqlite3.Connection, event: JobEvent, now: float) -> bool:
    cursor = db.execute(
        _KEEP_EVENT,
        (event.key, event.run.key, event.kind.value, wire.dumps(event).decode(), now),
    )
    if not cursor.rowcount:
        return False
    events = events_of(db, event.run)
    record = runs.view(events)
    changed = record != runs.load(db, event.run) or event.kind is EventKind.OUTCOME
    if record is not None and changed:
        runs.save(
            db,
            record,
            accounted=any(told.kind is EventKind.OUTCOME for told in events),
            warned=event.kind in WARNINGS,
            now=now,
        )
    _note_correction(db, event, events, now)
    return True


def events_of(db: sqlite3.Connection, run: Run) -> list[JobEvent]:
    """All events of a run, by key."""
    rows = db.execute("SELECT body FROM events WHERE run = ? ORDER BY key", (run.key,))
    messages = [wire.loads(row["body"].encode()) for row in rows]
    return [message for message in messages if isinstance(message, JobEvent)]


def _note_correction(
    db: sqlite3.Connection, event: JobEvent, events: Sequence[JobEvent], now: float
) -> None:
    """Audit that accounting told another end than the nodes, whichever of them came later."""
    if event.kind not in (EventKind.END, EventKind.OUTCOME):
        return
    by_nodes = runs.view(told for told in events if told.kind is not EventKind.OUTCOME)
    by_all = runs.view(events)
    told = by_nodes.exit if by_nodes else None
    true = by_all.exit if by_all else None
    if told is None or true is None or told.kind is ExitKind.UNKNOWN or told.key == true.key:
        return
    detail = f"{event.run.key}: the node said {told.describe()}, accounting {true.describe()}"
    audit.note(db, now, "brain", "exit corrected", detail=detail)
