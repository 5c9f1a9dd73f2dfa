"""What an operator may order of a job: its end, that it stands still, that it goes on."""

from __future__ import annotations

import time
from pathlib import Path

from .confinement import KILL_SECONDS
from .mend import mend
from .queue import Queue
from .settings import read_settings
from .watch import GRACE_SECONDS

ORDERS = ("kill", "hold", "release")


class OrderError(Exception):
    """The job cannot do that now; the message says why."""


def give_order(order: str, word: str, state_dir: Path | None = None) -> None:
    """Carry one of :data:`ORDERS` out; nothing happens where it is so already.

    ``word`` is a run key, a run or a job id, KeyError when it names no job; OrderError when the
    job has ended or does not end.
    """
    settings = read_settings(state_dir)
    with Queue(settings.state_dir) as queue:
        mend(queue, settings)
        run = queue.find(word).run
        if order == "kill":
            queue.cancel(run)
            _await_end(queue, run)
            return
        if not (queue.hold(run) if order == "hold" else queue.release(run)):
            job = queue.get(run)
            if job.ended is not None:
                raise OrderError(f"run {run} has ended: {job.state.value}")


def _await_end(queue: Queue, run: str) -> None:
    deadline = time.monotonic() + GRACE_SECONDS + KILL_SECONDS + 3.0
    while queue.get(run).ended is None:
        if time.monotonic() > deadline:
            raise OrderError(f"run {run} was told to end and has not yet")
        time.sleep(0.05)
