"""The queue as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ...jobs.text import printable
from .events import run_of
from .exits import local_exit
from .job import Job

COLUMNS = ("JOBID", "WORKFLOW", "SITE", "NAME", "STATE", "TRY", "EXIT", "CPUS", "RUN")
MAX_CELL = 32  # characters


def as_json(jobs: Iterable[Job], cluster: str) -> str:
    """A JSON list with one object a job; times are epoch seconds."""
    return json.dumps([_document(job, cluster) for job in jobs], indent=1)


def as_table(jobs: Iterable[Job]) -> str:
    """One line a job under a line of names; hostile characters are replaced."""
    rows = [COLUMNS, *(_cells(job) for job in jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths)).rstrip()


def _cells(job: Job) -> tuple[str, ...]:
    spec = job.spec
    return (
        str(job.job_id),
        *(printable(text, MAX_CELL) for text in (spec.workflow, spec.site, spec.name)),
        job.state.value,
        str(job.attempt),
        "" if job.ended is None else local_exit(job.ending).describe(),
        ",".join(map(str, job.cpus)),
        job.run,
    )


def _document(job: Job, cluster: str) -> dict[str, object]:
    spec, ending = job.spec, job.ending
    return {
        "key": run_of(job, cluster).key,
        "job_id": job.job_id,
        "run": job.run,
        "workflow": spec.workflow,
        "site": spec.site,
        "name": spec.name,
        "comment": spec.comment,
        "user": job.user,
        "attempt": job.attempt,
        "parent": job.parent,
        "state": ending.state.value,
        "reason": ending.reason,
        "exit_code": ending.exit_code,
        "signal": ending.signal,
        "submitted": job.submitted,
        "started": job.started,
        "ended": job.ended,
        "memory_bytes": spec.memory_bytes,
        "walltime_seconds": spec.walltime_seconds,
        "peak_memory_bytes": ending.peak_memory_bytes,
        "cpus": list(job.cpus),
    }
