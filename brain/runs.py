"""What is known of each run now, folded out of its events, and kept beside them."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ..jobs.events import WARNINGS, EventKind, JobEvent, JobFacts, Request, TraceSummary
from ..jobs.exits import Exit, ExitKind
from ..jobs.identity import Run, Workflow
from ..jobs.records import RunRecord
from . import truth

_RECORD = TypeAdapter(RunRecord)
_Facts = TypeVar("_Facts", JobFacts, Request)

# Told by a node first, by accounting last: what comes later is believed more.
_RANKS = {
    EventKind.QUEUED: 0,
    EventKind.START: 0,
    EventKind.STALL: 1,
    EventKind.CONTENTION: 1,
    EventKind.END: 2,
    EventKind.OUTCOME: 4,
}
_ACCOUNTING = 3


def view(events: Iterable[JobEvent]) -> RunRecord | None:
    """One run's record out of all its events, in whatever order they came; None of none."""
    return reduce(merge, sorted(_believed(list(events)), key=_rank), None)


def _believed(events: Sequence[JobEvent]) -> Iterable[JobEvent]:
    """The events without the ends that nodes told before the run began, as accounting knows it.

    Slurm counts a requeue before it calls the Epilog of the run that it stopped, so that end goes
    by the name of the next run.
    """
    begun = [event for event in events if event.kind is EventKind.START]
    accounted = [event.time for event in begun if not event.node]
    waits = any(event.kind is EventKind.QUEUED and not event.node for event in events)
    if waits and not begun:
        return [event for event in events if event.kind is not EventKind.END]
    earliest = min(accounted, default=-math.inf)
    return [event for event in events if event.kind is not EventKind.END or event.time >= earliest]


def merge(record: RunRecord | None, event: JobEvent) -> RunRecord:
    """``record`` after ``event``, which is believed at least as much as all before it."""
    record = record or RunRecord(event.run, event.facts)
    accounting = not event.node
    changes: dict[str, Any] = {
        "facts": _join_facts(record.facts, event.facts, accounting),
        "node": record.node or _node(event),
        "trace": _newer_trace(record, event),
    }
    if event.kind is EventKind.START:
        changes["started"] = event.time if accounting else record.started or event.time
    elif event.kind in (EventKind.END, EventKind.OUTCOME):
        changes.update(_ending(record, event))
    elif event.kind in WARNINGS:
        changes["warnings"] = tuple(sorted({*record.warnings, event.kind}))
    return dataclasses.replace(record, **changes)


def _node(event: JobEvent) -> str:
    """Where the run is, as far as the event tells: a daemon such as slurmctld@host is no node."""
    return "" if "@" in event.node else event.node


def _rank(event: JobEvent) -> tuple[int, float, str]:
    accounted = event.kind is EventKind.START and not event.node
    return (_ACCOUNTING if accounted else _RANKS[event.kind]), event.time, event.node


def _newer_trace(record: RunRecord, event: JobEvent) -> TraceSummary | None:
    """Of several nodes the first stands for the run; what it tells later holds more."""
    if record.trace is None or (event.trace is not None and event.node == record.node):
        return event.trace
    return record.trace


def _ending(record: RunRecord, event: JobEvent) -> dict[str, Any]:
    exit = event.exit or Exit(event.run.scheduler, ExitKind.UNKNOWN)
    if event.kind is EventKind.OUTCOME:
        lost = exit.kind is ExitKind.UNKNOWN and record.ended is not None
        ended = record.ended if lost else event.time
        return {"ended": ended, "exit": truth.joined(record.exit, exit)}
    return {
        "ended": max(event.time, record.ended or event.time),
        "exit": truth.gravest(record.exit, exit),
    }


def _join_facts(known: JobFacts, told: JobFacts, told_wins: bool) -> JobFacts:
    if known == told:
        return known
    weak, strong = (known, told) if told_wins else (told, known)
    request = _filled(strong.request, weak.request)
    return dataclasses.replace(_filled(strong, weak), request=request)


def _filled(strong: _Facts, weak: _Facts) -> _Facts:
    """``strong``, with the fields of ``weak`` where its own are unset."""
    unset = [name for name, value in vars(strong).items() if value in (None, "", 0)]
    return dataclasses.replace(strong, **{name: getattr(weak, name) for name in unset})


# ---- persistence -------------------------------------------------------------------------------


def save(
    db: sqlite3.Connection,
    record: RunRecord,
    *,
    accounted: bool,
    warned: bool,
    now: float,
    historic: bool = False,
) -> None:
    """Write the view of a run and mark its workflow as changed, and as warned where it is.

    A ``historic`` run changed when it ended, and its workflow counts as judged unless it is known.
    """
    facts = record.facts
    changed = min(now, record.ended or now) if historic else now
    db.execute(
        "INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            record.run.key,
            record.run.cluster,
            record.run.scheduler,
            facts.workflow,
            facts.site,
            record.started,
            record.ended,
            _verdict(record),
            record.exit is not None and record.exit.kind.blames_site,
            accounted,
            changed,
            _RECORD.dump_json(record).decode(),
        ),
    )
    if facts.workflow and historic:
        db.execute(
            "INSERT INTO workflows (cluster, name, changed, judged) VALUES (?,?,?,?)"
            " ON CONFLICT DO NOTHING",
            (record.run.cluster, facts.workflow, changed, now),
        )
    elif facts.workflow:
        db.execute(
            "INSERT INTO workflows (cluster, name, changed, warned) VALUES (?,?,?,?)"
            " ON CONFLICT DO UPDATE SET changed = excluded.changed,"
            " warned = coalesce(excluded.warned, warned)",
            (record.run.cluster, facts.workflow, now, now if warned else None),
        )


def _verdict(record: RunRecord) -> str:
    if record.exit is None:
        return "active"
    return "success" if record.succeeded else "failed" if record.failed else "other"


def load(db: sqlite3.Connection, run: Run) -> RunRecord | None:
    """What is known of a run, or None."""
    row = db.execute("SELECT body FROM runs WHERE key = ?", (run.key,)).fetchone()
    return None if row is None else _RECORD.validate_json(row["body"])


def of_workflow(db: sqlite3.Connection, workflow: Workflow) -> list[RunRecord]:
    """All runs of a workflow, by key."""
    rows = db.execute(
        "SELECT body FROM runs WHERE cluster = ? AND workflow = ? ORDER BY key",
        (workflow.cluster, workflow.name),
    )
    return [_RECORD.validate_json(row["body"]) for row in rows]


def ended_before(db: sqlite3.Connection, time: float) -> Iterator[tuple[RunRecord, float]]:
    """The runs that ended before ``time`` (epoch seconds), oldest first, and when each changed.

    One whose job is still in a queue has not ended for good.
    """
    rows = db.execute("SELECT body, changed FROM runs WHERE ended < ? ORDER BY ended, key", (time,))
    records = ((_RECORD.validate_json(row["body"]), row["changed"]) for row in rows)
    return (told for told in records if told[0].exit is not None and not told[0].in_queue)


def newest(db: sqlite3.Connection, limit: int, workflow: str | None = None) -> list[RunRecord]:
    """The runs that changed last, of the named workflow or of all."""
    rows = db.execute(
        "SELECT body FROM runs WHERE ? IS NULL OR workflow = ? ORDER BY changed DESC, key LIMIT ?",
        (workflow, workflow, limit),
    )
    return [_RECORD.validate_json(row["body"]) for row in rows]


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many runs there are of each verdict."""
    rows = db.execute("SELECT verdict, count(*) AS n FROM runs GROUP BY verdict")
    return {row["verdict"]: row["n"] for row in rows}
