"""What operators decided, as a history to learn from: the workflow as it stood, and the action.

A day after it was advised, when accounting has had its word, such a task is written down: it is
learned from when the runs it is made of are long forgotten.
"""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from ..classifier.failures.history.records import task_of
from ..classifier.failures.task import Cell, Decision, FailedTask, History
from ..jobs.actions import Action, Outcome, Recommendation, State
from ..jobs.identity import SiteStatus
from ..jobs.records import RunRecord, WorkflowRecord
from . import polling, recommendations, runs, sites, workflows
from .store import Store

DECIDED = (State.APPROVED, State.APPLIED, State.VERIFIED)
MEGABYTE = 1000 * 1000


def history(
    db: sqlite3.Connection,
    site_window_seconds: float,
    since: float = -math.inf,
    until: float = math.inf,
) -> History:
    """Every approved recommendation of ``[since, until)`` as a decided task, oldest first.

    An action that did not help teaches nothing about what would have, nor does a rejection: both
    are left out.
    """
    found = dict(_written(db, since, until))
    for one in _decided(db):
        when = one.created, one.id
        if one.outcome is Outcome.FAILURE or not since <= one.created < until or when in found:
            continue
        found[when] = _task(db, one, site_window_seconds)
    return History([found[when] for when in sorted(found)], "decisions on this cluster")


def _decided(db: sqlite3.Connection) -> Iterator[Recommendation]:
    return (one for state in DECIDED for one in recommendations.in_state(db, state))


def _task(db: sqlite3.Connection, one: Recommendation, site_window_seconds: float) -> FailedTask:
    known = [
        then
        for run in runs.of_workflow(db, one.workflow)
        if (then := as_of(run, one.created)) is not None
    ]
    last = workflows.last_runs(known)
    seen = sites.with_status(db, last, one.created, site_window_seconds)
    record = WorkflowRecord(one.workflow, tuple(seen))
    decision = decision_of(one.advice.action)
    return task_of(record, time=one.created, decision=decision, cause=one.advice.cause)


def as_of(record: RunRecord, time: float) -> RunRecord | None:
    """The run as it was known at ``time``; None where it had not begun.

    Its warnings stay: the time of a warning is not kept with the run.
    """
    if record.ended is not None and record.ended <= time:
        return record
    if record.started is None or record.started > time:
        return None
    return dataclasses.replace(record, ended=None, exit=None, trace=None)


def decision_of(action: Action) -> Decision:
    """An action of ours in the words of a history."""
    return Decision(
        action=action.kind.value,
        splitting=f"{action.splitting}x" if action.splitting else "",
        memory=str(round(action.memory_bytes / MEGABYTE)) if action.memory_bytes else "",
        data_access="enabled" if action.data_access else "",
        sites=action.sites_use,
    )


# ---- written down ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Written:
    """A task as it is kept; ``cells`` are (code, site, status, failures)."""

    name: str
    cause: str
    cells: list[tuple[str, str, SiteStatus, int]]
    features: Mapping[str, float]
    decision: Decision | None


_WRITTEN = TypeAdapter(_Written)


def write_down(store: Store, site_window_seconds: float, now: float, limit: int) -> int:
    """Write at most ``limit`` decided tasks down, each once; how many it were.

    Also those whose outcome is still to come: what the action brings about changes no task.
    """
    with store.read() as db:
        due = db.execute(
            "SELECT id FROM recommendations WHERE state IN (?,?,?) AND created < ?"
            " AND id NOT IN (SELECT recommendation FROM decided_tasks) ORDER BY id LIMIT ?",
            (*(state.value for state in DECIDED), now - polling.LATE_SECONDS, limit),
        ).fetchall()
        rows = [
            (one.id, one.created, _dumps(_task(db, one, site_window_seconds)))
            for one in (recommendations.get(db, row["id"]) for row in due)
        ]
    if rows:
        with store.write() as db:
            db.executemany("INSERT OR IGNORE INTO decided_tasks VALUES (?,?,?)", rows)
    return len(rows)


def _written(
    db: sqlite3.Connection, since: float, until: float
) -> Iterator[tuple[tuple[float, int], FailedTask]]:
    """The tasks by time and recommendation, without what did not help or was taken back."""
    rows = db.execute(
        "SELECT t.recommendation, t.time, t.body FROM decided_tasks t LEFT JOIN recommendations r"
        " ON r.id = t.recommendation WHERE t.time >= ? AND t.time < ? AND (r.id IS NULL OR"
        " r.state IN (?,?,?) AND json_extract(r.body, '$.outcome') IS NOT ?)",
        (since, until, *(state.value for state in DECIDED), Outcome.FAILURE.value),
    )
    return (
        ((row["time"], row["recommendation"]), _loads(row["body"], row["time"])) for row in rows
    )


def _dumps(task: FailedTask) -> str:
    cells = [(*cell, count) for cell, count in task.cells.items()]
    features = {name: value for name, value in task.features.items() if math.isfinite(value)}
    kept = _Written(task.name, task.cause, cells, features, task.decision)
    return _WRITTEN.dump_json(kept).decode()


def _loads(body: str, time: float) -> FailedTask:
    kept = _WRITTEN.validate_json(body)
    cells = {Cell(code, site, status): count for code, site, status, count in kept.cells}
    return FailedTask(kept.name, cells, kept.features, time, kept.decision, kept.cause)
