"""What is known of each run now, folded out of its events, and kept beside them."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable
from functools import reduce
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ..jobs.events import WARNINGS, EventKind, JobEvent, JobFacts, Request, TraceSummary
from ..jobs.exits import Exit, ExitKind
from ..jobs.identity import Run, Workflow
from ..jobs.records import RunRecord

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

# Of the nodes of one run the gravest end counts.
_GRAVITY = {ExitKind.UNKNOWN: 0, ExitKind.SUCCESS: 1, ExitKind.CANCELLED: 2}
_FAILURE = 3


def view(events: Iterable[JobEvent]) -> RunRecord | None:
    """One run's record out of all its events, in whatever order they came; None of none."""
    return reduce(merge, sorted(events, key=_rank), None)


def merge(record: RunRecord | None, event: JobEvent) -> RunRecord:
    """``record`` after ``event``, which is believed at least as much as all before it."""
    record = record or RunRecord(event.run, event.facts)
    accounting = not event.node
    changes: dict[str, Any] = {
        "facts": _join_facts(record.facts, event.facts, accounting),
        "node": record.node or event.node,
        "trace": _newer_trace(record, event),
    }
    if event.kind is EventKind.START:
        changes["started"] = event.time if accounting else record.started or event.time
    elif event.kind in (EventKind.END, EventKind.OUTCOME):
        changes.update(_ending(record, event))
    elif event.kind in WARNINGS:
        changes["warnings"] = tuple(sorted({*record.warnings, event.kind}))
    return dataclasses.replace(record, **changes)


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
        keep = record.exit is not None and exit.kind is ExitKind.UNKNOWN
        return {"ended": event.time, "exit": record.exit if keep else exit}
    if record.exit is not None and _gravity(record.exit) >= _gravity(exit):
        exit = record.exit
    return {"ended": max(event.time, record.ended or event.time), "exit": exit}


def _gravity(exit: Exit) -> int:
    return _GRAVITY.get(exit.kind, _FAILURE)


def _join_facts(known: JobFacts, told: JobFacts, told_wins: bool) -> JobFacts:
    weak, strong = (known, told) if told_wins else (told, known)
    request = _filled(strong.request, weak.request)
    return dataclasses.replace(_filled(strong, weak), request=request)


def _filled(strong: _Facts, weak: _Facts) -> _Facts:
    """``strong``, with the fields of ``weak`` where its own are unset."""
    unset = [name for name, value in vars(strong).items() if value in (None, "", 0)]
    return dataclasses.replace(strong, **{name: getattr(weak, name) for name in unset})


# ---- persistence -------------------------------------------------------------------------------


def save(
    db: sqlite3.Connection, record: RunRecord, *, accounted: bool, warned: bool, now: float
) -> None:
    """Write the view of a run and mark its workflow as changed, and as warned where it is."""
    facts = record.facts
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
            now,
            _RECORD.dump_json(record).decode(),
        ),
    )
    if facts.workflow:
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
