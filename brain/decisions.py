"""What operators decided, as a history to learn from: the workflow as it stood, and the action."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections.abc import Iterable, Iterator

from ..classifier.failures.history.records import task_of
from ..classifier.failures.task import Decision, FailedTask, History
from ..jobs.actions import Action, Outcome, Recommendation, State
from ..jobs.records import RunRecord, WorkflowRecord
from . import recommendations, runs, sites, workflows

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
    decided = [one for state in DECIDED for one in recommendations.in_state(db, state)]
    wanted = [
        one
        for one in decided
        if one.outcome is not Outcome.FAILURE and since <= one.created < until
    ]
    wanted.sort(key=lambda one: (one.created, one.id))
    return History(list(_tasks(db, wanted, site_window_seconds)), "decisions on this cluster")


def _tasks(
    db: sqlite3.Connection, decided: Iterable[Recommendation], site_window_seconds: float
) -> Iterator[FailedTask]:
    for one in decided:
        known = [
            then
            for run in runs.of_workflow(db, one.workflow)
            if (then := as_of(run, one.created)) is not None
        ]
        last = workflows.last_runs(known)
        seen = sites.with_status(db, last, one.created, site_window_seconds)
        record = WorkflowRecord(one.workflow, tuple(seen))
        decision = decision_of(one.advice.action)
        yield task_of(record, time=one.created, decision=decision, cause=one.advice.cause)


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
