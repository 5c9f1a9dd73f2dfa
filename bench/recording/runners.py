"""How the jobs of a recording reach a scheduler, and how one knows that they have ended."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from campaigns.scenarios import GOOD_SITE

from jobmend.plugins.local.orders import OrderError, give_order
from jobmend.plugins.local.queue import Queue
from jobmend.plugins.local.spec import new_spec
from jobmend.plugins.local.submit import submit

from .plan import Task

MINUTES = 5  # Slurm's limit, in its unit; the recording ends its jobs before


class Runner(Protocol):
    """Sends jobs to a scheduler; ``scheduler`` is its name."""

    scheduler: str

    def submit(self, task: Task, command: Sequence[str]) -> str:
        """Send a job that runs ``command``; its id."""

    def runs(self, job_id: str) -> bool:
        """Has the job not ended yet?"""

    def end(self, job_id: str) -> None:
        """End the job now."""


class LocalRunner:
    """The local plugin, with a queue of this recording's own."""

    scheduler = "local"

    def __init__(self, folder: Path, cluster: str) -> None:
        """Keep the queue in ``folder``."""
        self._folder = folder
        self._cluster = cluster

    def submit(self, task: Task, command: Sequence[str]) -> str:
        """Start the job in the background."""
        spec = new_spec(
            command, workflow=task.job_type, memory=f"{task.memory_mb}M", cpus=task.cpus
        )
        return submit(spec, self._folder, self._cluster).job_id

    def runs(self, job_id: str) -> bool:
        """What the queue says."""
        with Queue(self._folder) as queue:
            return queue.find(job_id).ended is None

    def end(self, job_id: str) -> None:
        """Kill it."""
        try:
            give_order("kill", job_id, self._folder)
        except OrderError as error:
            print(f"record: {error}", file=sys.stderr)

    def close(self) -> None:
        """End all jobs that are left, as after a submission that failed."""
        with Queue(self._folder) as queue:
            left = [str(job.job_id) for job in queue.jobs() if job.ended is None]
        for job_id in left:
            self.end(job_id)


class SlurmRunner:
    """``sbatch`` on the cluster that SLURM_CONF names."""

    scheduler = "slurm"

    def __init__(self, folder: Path) -> None:
        """Write the jobs' output below ``folder``."""
        self._folder = folder

    def submit(self, task: Task, command: Sequence[str]) -> str:
        """Queue the job."""
        options = {
            "--comment": task.job_type,
            "--job-name": task.job_type,
            "--partition": GOOD_SITE,
            "--mem": f"{task.memory_mb}M",
            "--time": str(MINUTES),
            "--cpus-per-task": str(task.cpus),
            "--output": f"{self._folder}/%j.out",
        }
        words = [f"{name}={value}" for name, value in options.items()]
        script = f"#!/bin/sh\nexec {shlex.join(command)}\n"
        done = subprocess.run(
            ["sbatch", "--parsable", "--no-requeue", *words],
            input=script,
            text=True,
            check=True,
            capture_output=True,
        )
        return done.stdout.strip().partition(";")[0]

    def runs(self, job_id: str) -> bool:
        """What squeue says; a job it knows no more has ended."""
        words = ["squeue", "--noheader", "--format=%T", f"--jobs={job_id}"]
        return bool(subprocess.run(words, capture_output=True, text=True).stdout.strip())

    def end(self, job_id: str) -> None:
        """``scancel`` with SIGKILL: what hangs hears nothing else."""
        subprocess.run(["scancel", "--signal=KILL", "--full", job_id], check=False)


def hooked(socket: Path) -> None:
    """Have the hooks of the local plugin tell the agent at ``socket``."""
    os.environ["JOBMEND_HOOK_SOCKET"] = str(socket)
