"""Events out of accounting's rows: when runs started, and how they really ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Callable

from ...jobs.events import EventKind, JobEvent, JobFacts, Request
from ...jobs.exits import Exit, ExitKind, slurm_exit
from ...jobs.fields import MAX_NAME
from ...jobs.identity import Run
from ...jobs.wire import MAX_TEXT
from .accounting import Row

# What a workflow can be named after; "array" names only tasks of arrays.
WORKFLOW_SOURCES: Mapping[str, Callable[[Row], str]] = {
    "comment": lambda row: row.comment,
    "wckey": lambda row: row.wckey.lstrip("*"),  # "*": not asked for, the user's default
    "array": lambda row: f"array-{row.array_id}" if row.array_id else "",
    "name": lambda row: row.name,
}

HALF_WRITTEN_SECONDS = 30.0  # how long a row may lack what the job was

_SIGTERM = 15


def events(
    rows: Iterable[Row], cluster: str, workflow_from: Sequence[str], since: float, now: float
) -> Iterator[JobEvent]:
    """QUEUED for each run that waits, START for each that started, OUTCOME for each that ended.

    ``rows`` are all that accounting has of their jobs; of runs that ended before ``since`` (epoch
    seconds) nothing is told. A row that is not whole waits until it is, or ``now`` is late.
    """
    for row, attempt, run, parent in _runs(rows, cluster):
        if row.ended is not None and row.ended < since:
            continue
        if not row.whole and (row.ended or now) > now - HALF_WRITTEN_SECONDS:
            continue
        facts = _facts(row, workflow_from, attempt, parent)
        if row.state == "PENDING":
            yield JobEvent(EventKind.QUEUED, run, row.submitted, facts=facts)
        if row.started is not None:
            yield JobEvent(EventKind.START, run, row.started, facts=facts)
        if row.ended is not None:
            yield JobEvent(EventKind.OUTCOME, run, row.ended, facts=facts, exit=outcome(row))


def _runs(rows: Iterable[Row], cluster: str) -> Iterator[tuple[Row, int, Run, str]]:
    """Each row with its ordinal among its job's, its run, and the key of the run before it.

    A requeue adds a row with a later submit time, so the ordinal is the restart count that the
    hooks see. A resize adds one too, but it is the same run.
    """
    unique = {(int(row.job_id), row.submitted): row for row in rows if row.state != "RESIZING"}
    ordered = (unique[key] for key in sorted(unique))
    for job_id, of_job in groupby(ordered, key=lambda row: row.job_id):
        parent = ""
        for attempt, row in enumerate(of_job):
            run = Run(cluster, "slurm", job_id, row.sluid or str(attempt))
            yield row, attempt, run, parent
            parent = run.key


def outcome(row: Row) -> Exit:
    """How the run of a row ended.

    A requeue overwrites the state of the run before it with REQUEUED. Of a TIMEOUT, a scancel
    and a run that was requeued while it ran only 0:0 or 0:15 are left, which is unknown.
    """
    word, _, who = row.state.partition(" ")  # "CANCELLED by 20001"
    if word == "REQUEUED" and not row.code and row.signal in (None, 0, _SIGTERM):
        return Exit("slurm", ExitKind.UNKNOWN, row.code, row.signal or None, word)
    return slurm_exit(row.state, row.code, row.signal, who)


def _facts(row: Row, workflow_from: Sequence[str], attempt: int, parent: str) -> JobFacts:
    return JobFacts(
        workflow=_workflow(row, workflow_from),
        site=row.partition[:MAX_NAME],
        name=row.name[:MAX_NAME],
        user=row.user[:MAX_NAME],
        account=row.account[:MAX_NAME],
        comment=row.comment[:MAX_TEXT],
        attempt=attempt,
        parent=parent,
        request=Request(row.cpus, row.memory_bytes, row.walltime_seconds),
    )


def _workflow(row: Row, workflow_from: Sequence[str]) -> str:
    """The user and the first name there is: nobody's jobs join another user's workflow."""
    names = (WORKFLOW_SOURCES[source](row) for source in workflow_from)
    name = next((name for name in names if name), "")
    return f"{row.user}/{name}"[:MAX_NAME] if name else ""
