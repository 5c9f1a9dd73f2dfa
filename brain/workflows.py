"""Workflows: which are due for a judgement, and which of their runs are the last ones."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..jobs.identity import Run, Workflow
from ..jobs.records import RunRecord


@dataclass(frozen=True)
class WorkflowCount:
    """One workflow in numbers of runs. ``changed`` is when its facts last did (epoch seconds)."""

    workflow: Workflow
    active: int
    succeeded: int
    failed: int
    other: int
    changed: float


def due(
    db: sqlite3.Connection, now: float, settle_seconds: float, queue_seconds: float
) -> list[Workflow]:
    """Workflows with unjudged facts: settled ones without an active run, and warned ones.

    A run that waits in the queue counts as active for ``queue_seconds``.
    """
    rows = db.execute(
        "SELECT cluster, name FROM workflows AS w WHERE"
        " (changed > coalesce(judged, -1) AND changed <= ? AND NOT EXISTS"
        "   (SELECT 1 FROM runs WHERE cluster = w.cluster AND workflow = w.name"
        "    AND verdict = 'active' AND (started IS NOT NULL OR runs.changed > ?)))"
        " OR warned > coalesce(judged, -1) ORDER BY changed",
        (now - settle_seconds, now - queue_seconds),
    )
    return [Workflow(row["cluster"], row["name"]) for row in rows]


def changed_at(db: sqlite3.Connection, workflow: Workflow) -> float:
    """When the workflow's facts last changed; 0 where it is not known."""
    row = db.execute(
        "SELECT changed FROM workflows WHERE cluster = ? AND name = ?",
        (workflow.cluster, workflow.name),
    ).fetchone()
    return 0.0 if row is None else float(row["changed"])


def mark_judged(db: sqlite3.Connection, workflow: Workflow, time: float) -> None:
    """Note that the facts up to ``time`` have been judged."""
    db.execute(
        "UPDATE workflows SET judged = ? WHERE cluster = ? AND name = ?",
        (time, workflow.cluster, workflow.name),
    )


def mark_changed(db: sqlite3.Connection, workflow: Workflow, time: float) -> None:
    """Have a workflow judged again."""
    db.execute(
        "UPDATE workflows SET changed = ? WHERE cluster = ? AND name = ?",
        (time, workflow.cluster, workflow.name),
    )


def counts(db: sqlite3.Connection, limit: int) -> list[WorkflowCount]:
    """The workflows that changed last, in numbers."""
    rows = db.execute(
        "SELECT w.cluster, w.name, sum(verdict = 'active') AS active,"
        " sum(verdict = 'success') AS succeeded, sum(verdict = 'failed') AS failed,"
        " sum(verdict = 'other') AS other, w.changed FROM workflows AS w"
        " JOIN runs ON runs.cluster = w.cluster AND runs.workflow = w.name"
        " GROUP BY w.cluster, w.name ORDER BY w.changed DESC LIMIT ?",
        (limit,),
    )
    return [WorkflowCount(Workflow(row[0], row[1]), *row[2:]) for row in rows]


# ---- pieces of work ----------------------------------------------------------------------------


def successors(records: Iterable[RunRecord]) -> dict[Run, list[RunRecord]]:
    """For each run the runs that repeat it: those that name it parent, or its job's next one."""
    known = {record.run.key: record.run for record in records}
    following: dict[Run, list[RunRecord]] = {}
    by_job: dict[tuple[str, str, str], list[RunRecord]] = {}
    for record in records:
        run = record.run
        by_job.setdefault((run.cluster, run.scheduler, run.job_id), []).append(record)
        parent = known.get(record.facts.parent)
        if parent is not None and parent != run:
            following.setdefault(parent, []).append(record)
    for executions in by_job.values():
        executions.sort(key=_order)
        for earlier, later in zip(executions, executions[1:], strict=False):
            following.setdefault(earlier.run, []).append(later)
    return following


def last_runs(records: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """The last run of each piece of work: the runs nobody has repeated."""
    records = list(records)
    repeated = successors(records)
    return tuple(record for record in records if record.run not in repeated)


def ends_of(
    run: Run, records: Mapping[Run, RunRecord], following: Mapping[Run, list[RunRecord]]
) -> list[RunRecord]:
    """Where the piece of work of ``run`` stands: its last runs, itself if nobody repeated it."""
    ends: dict[Run, RunRecord] = {}
    seen = {run}
    waiting = [run]
    while waiting:
        current = waiting.pop()
        later = [record.run for record in following.get(current, ())]
        if not later and current in records:
            ends[current] = records[current]
        waiting.extend(follower for follower in later if follower not in seen)
        seen.update(later)
    return list(ends.values())


def _order(record: RunRecord) -> tuple[float, int, int, str]:
    """Executions of one job id in time; one that has not started is the latest."""
    started = record.started if record.started is not None else record.ended
    restarts = int(record.run.run) if record.run.run.isdecimal() else 0
    return (
        math.inf if started is None else started,
        record.facts.attempt,
        restarts,
        record.run.run,
    )
