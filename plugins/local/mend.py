"""Making the queue true again after supervisors died."""

from __future__ import annotations

import time

from .confine import sweep
from .exits import SUPERVISOR_DIED
from .job import Ending, Job, JobState
from .process import lives
from .queue import Queue
from .settings import Settings

CLAIM_SECONDS = 60.0  # a new job has a supervisor by then, or never


def mend(queue: Queue, settings: Settings) -> int:
    """End the jobs whose supervisor is gone and kill what is left of them; how many there were."""
    mended = 0
    for job in queue.unfinished():
        if abandoned(job, time.time()):
            if job.started is not None:
                sweep(settings, job.job_id, job.run)
            state = JobState.CANCELLED if job.state is JobState.CANCELLED else JobState.FAILED
            mended += queue.finish(job.run, Ending(state, reason=SUPERVISOR_DIED))
    return mended


def abandoned(job: Job, now: float) -> bool:
    """Will nobody ever end this job?"""
    if job.supervisor is None:
        return now - job.submitted > CLAIM_SECONDS
    return not lives(job.supervisor)
