"""Messages into the store: told at least once, taken exactly once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..jobs import wire
from ..jobs.events import WARNINGS, EventKind, JobEvent, JobFacts
from ..jobs.fields import WireError
from ..jobs.identity import Run, Workflow
from ..jobs.windows import TraceWindow
from . import outcomes, runs, verifying, windows
from .store import Store

OURSELVES = "jobmend@brain"  # the teller of what the brain did; no node has such a name


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
    store: Store,
    documents: Sequence[object],
    *,
    now: float,
    max_windows: int,
    historic: bool = False,
) -> Receipt:
    """Store the readable ones of decoded wire messages in one transaction; report the others.

    What is ``historic`` is no news: workflows that are known by it alone are not judged.
    """
    messages: list[wire.Message] = []
    rejected = []
    for index, document in enumerate(documents):
        try:
            messages.append(read_document(document))
        except WireError as error:
            rejected.append(Rejection(index, str(error)))
    receipt = take(store, messages, now=now, max_windows=max_windows, historic=historic)
    return Receipt(receipt.accepted, receipt.duplicates, rejected)


def take_events(
    store: Store,
    events: Iterable[JobEvent],
    *,
    now: float,
    max_windows: int,
    historic: bool = False,
) -> Receipt:
    """Store what a scheduler told, read as strictly as what comes over the wire."""
    documents = [
        {"jobmend": wire.VERSION, "kind": "event", "body": wire.event_body(event)}
        for event in events
    ]
    return take_documents(store, documents, now=now, max_windows=max_windows, historic=historic)


def read_document(document: object) -> wire.Message:
    """Read a decoded message. Half of a surrogate pair, which no file can hold, becomes ``?``."""
    try:
        text = json.dumps(document, ensure_ascii=False)
        return wire.loads(text.encode("utf-8", "replace"))
    except RecursionError as error:
        raise WireError("message", "nested too deeply") from error


def take(
    store: Store,
    messages: Iterable[wire.Message],
    *,
    now: float,
    max_windows: int,
    historic: bool = False,
) -> Receipt:
    """Store messages in one transaction: all of them or, on an exception, none."""
    accepted = duplicates = 0
    corrected: set[Workflow] = set()
    with store.write() as db:
        for message in messages:
            if isinstance(message, TraceWindow):
                new = windows.add(db, message, now, max_windows)
            elif new := outcomes.keep(db, message, now):
                corrected.update(_renew(db, message, now, historic))
            accepted += new
            duplicates += not new
        for workflow in sorted(corrected):
            verifying.judge_again(db, workflow, now)
    return Receipt(accepted, duplicates)


def take_over(db: sqlite3.Connection, run: Run, follow_ups: Sequence[Run], now: float) -> None:
    """Write down that the runs of new jobs do the work of ``run``: they know nothing of it."""
    for new in follow_ups:
        told = JobEvent(EventKind.QUEUED, new, now, OURSELVES, JobFacts(parent=run.key))
        if outcomes.keep(db, told, now):
            _renew(db, told, now, historic=False)


def _renew(db: sqlite3.Connection, event: JobEvent, now: float, historic: bool) -> list[Workflow]:
    """Fold a new event into its run; the run's workflow if its end is another one now."""
    before, events = runs.load(db, event.run), [*_others(db, event), event]
    record = runs.view(events)
    if record is None or (record == before and event.kind is not EventKind.OUTCOME):
        return []
    outcomes.note_correction(db, event, events, before, record, now)
    runs.save(
        db,
        record,
        accounted=any(told.kind is EventKind.OUTCOME for told in events),
        warned=event.kind in WARNINGS,
        now=now,
        historic=historic,
    )
    if before is None or before.exit is None or before.exit == record.exit:
        return []
    return [Workflow(event.run.cluster, record.facts.workflow)]


def _others(db: sqlite3.Connection, event: JobEvent) -> list[JobEvent]:
    """All other events of the run, by key."""
    rows = db.execute(
        "SELECT body FROM events WHERE run = ? AND key != ? ORDER BY key",
        (event.run.key, event.key),
    )
    messages = [wire.loads(row["body"].encode()) for row in rows]
    return [message for message in messages if isinstance(message, JobEvent)]
