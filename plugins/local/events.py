"""What is told about local jobs: the events of a row of the queue, and the facts in them."""

from __future__ import annotations

import json

from ...jobs.events import EventKind, JobEvent, JobFacts, Request
from ...jobs.identity import Run
from ...jobs.wire import MAX_EVENT_BYTES, event_body
from .exits import local_exit
from .job import Job
from .queue import SCHEDULER

_ENVELOPE_BYTES = 64  # what the message around an event body takes


def run_of(job: Job, cluster: str) -> Run:
    """The identity of a job's run."""
    return Run(cluster, SCHEDULER, str(job.job_id), job.run)


def facts_of(job: Job) -> JobFacts:
    """What the queue knows of a job."""
    spec = job.spec
    return JobFacts(
        workflow=spec.workflow,
        site=spec.site,
        name=spec.name,
        user=job.user,
        comment=spec.comment,
        attempt=job.attempt,
        parent=job.parent,
        request=Request(float(spec.cpus), spec.memory_bytes, spec.walltime_seconds),
    )


def event_of(kind: EventKind, job: Job, cluster: str, time: float, node: str = "") -> JobEvent:
    """One event of a job; END and OUTCOME carry its exit."""
    ended = kind in (EventKind.END, EventKind.OUTCOME)
    return JobEvent(
        kind=kind,
        run=run_of(job, cluster),
        time=time,
        node=node,
        facts=facts_of(job),
        exit=local_exit(job.ending) if ended else None,
    )


def hook_body(event: JobEvent) -> dict[str, object]:
    """The event as a hook tells it; the comment is left out where it is too long for a datagram."""
    body: dict[str, object] = event_body(event)
    if len(json.dumps(body)) > MAX_EVENT_BYTES - _ENVELOPE_BYTES:
        facts = {**vars(event.facts), "comment": ""}
        body = event_body(JobEvent(**{**vars(event), "facts": JobFacts(**facts)}))
    return body
