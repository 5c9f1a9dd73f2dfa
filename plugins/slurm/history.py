"""Events out of accounting's rows: when runs started, and how they really ended."""

from __future__ import annotations

import math
import re
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

PATTERN = "pattern"  # the job's name, as far as the group `workflow` of an expression matches

HALF_WRITTEN_SECONDS = 30.0  # how long a row may lack what the job was

_SIGTERM = 15

Source = Callable[[Row], str]


def sources(workflow_from: Sequence[str], pattern: str = "") -> tuple[Source, ...]:
    """What workflows are named after, best first; ValueError for a word or pattern of no use."""
    known = dict(WORKFLOW_SOURCES)
    if pattern:
        known[PATTERN] = _matching(pattern)
    unknown = sorted(set(workflow_from) - set(known))
    if unknown == [PATTERN]:
        raise ValueError("workflow_from: pattern needs workflow_pattern, a regular expression")
    if unknown:
        raise ValueError(f"workflow_from: {unknown} are none of {', '.join(known)}")
    return tuple(known[word] for word in workflow_from)


def _matching(pattern: str) -> Source:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"workflow_pattern: {error}") from error
    if "workflow" not in expression.groupindex:
        raise ValueError("workflow_pattern: it has no group (?P<workflow>...)")

    def matched(row: Row) -> str:
        found = expression.search(row.name[:MAX_NAME])
        return (found["workflow"] or "") if found else ""

    return matched


def is_told(row: Row, since: float, until: float) -> bool:
    """Is a run told in the history between two times (epoch): it ended then, or goes on?"""
    if row.state == "RESIZING":
        return False
    return until == math.inf if row.ended is None else since <= row.ended < until


def events(
    rows: Iterable[Row],
    cluster: str,
    named_by: Sequence[Source],
    now: float,
    since: float = 0.0,
    until: float = math.inf,
) -> Iterator[JobEvent]:
    """QUEUED for each run that waits, START for each that started, OUTCOME for each that ended.

    ``rows`` are all that accounting has of their jobs; of runs that did not end between ``since``
    and ``until`` (epoch seconds) nothing is told, see :func:`is_told`. A row that is not whole
    waits until it is, or ``now`` is late.
    """
    for row, attempt, run, parent in _runs(rows, cluster):
        if not is_told(row, since, until):
            continue
        if not row.whole and (row.ended or now) > now - HALF_WRITTEN_SECONDS:
            continue
        facts = _facts(row, named_by, attempt, parent)
        if row.state == "PENDING":
            yield JobEvent(EventKind.QUEUED, run, row.submitted, facts=facts)
        if row.started is not None:
            yield JobEvent(EventKind.START, run, row.started, facts=facts)
        if row.ended is not None:
            ended = row.ended if row.batch_ended is None else min(row.batch_ended, row.ended)
            yield JobEvent(EventKind.OUTCOME, run, ended, facts=facts, exit=outcome(row))


def _runs(rows: Iterable[Row], cluster: str) -> Iterator[tuple[Row, int, Run, str]]:
    """Each row with its ordinal among its job's, its run, and the key of the run before it.

    A requeue adds a row with a later submit time, so the ordinal is the restart count that the
    hooks see, unless the row tells that itself. A resize adds one too, but it is the same run.
    """
    unique = {(int(row.job_id), row.submitted): row for row in rows if row.state != "RESIZING"}
    ordered = (unique[key] for key in sorted(unique))
    for job_id, of_job in groupby(ordered, key=lambda row: row.job_id):
        parent, attempt = "", -1
        for row in of_job:
            attempt = attempt + 1 if row.restarts is None else row.restarts
            if attempt and not parent and not row.sluid:
                parent = Run(cluster, "slurm", job_id, str(attempt - 1)).key
            run = Run(cluster, "slurm", job_id, row.sluid or str(attempt))
            yield row, attempt, run, parent
            parent = run.key


def outcome(row: Row) -> Exit:
    """How the run of a row ended.

    A requeue overwrites the state of the run before it with REQUEUED. Of a TIMEOUT, a scancel
    and a run that was requeued while it ran only 0:0 or 0:15 are left, which is unknown, unless
    its batch step is known to have come to its own end. A run that failed with a code that no
    reader could tell has failed all the same.
    """
    word, _, who = row.state.partition(" ")  # "CANCELLED by 20001"
    if word == "FAILED" and row.code is None and not row.signal:
        return Exit("slurm", ExitKind.ERROR, None, None, word)
    stopped = not row.code and row.signal in (None, 0, _SIGTERM)
    if word == "REQUEUED" and stopped and row.batch_state != "COMPLETED":
        return Exit("slurm", ExitKind.UNKNOWN, row.code, row.signal or None, word)
    return slurm_exit(row.state, row.code, row.signal, who)


def _facts(row: Row, named_by: Sequence[Source], attempt: int, parent: str) -> JobFacts:
    return JobFacts(
        workflow=_workflow(row, named_by),
        site=row.partition[:MAX_NAME],
        name=row.name[:MAX_NAME],
        user=row.user[:MAX_NAME],
        account=row.account[:MAX_NAME],
        comment=row.comment[:MAX_TEXT],
        attempt=attempt,
        parent=parent,
        request=Request(row.cpus, row.memory_bytes, row.walltime_seconds),
    )


def _workflow(row: Row, named_by: Sequence[Source]) -> str:
    """The user and the first name there is: nobody's jobs join another user's workflow."""
    names = (source(row) for source in named_by)
    name = next((name for name in names if name), "")
    return f"{row.user}/{name}"[:MAX_NAME] if name else ""
