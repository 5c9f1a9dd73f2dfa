"""How a campaign's jobs reach a scheduler: as a user would send them."""

from __future__ import annotations

import getpass
import math
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from campaigns.scenarios import WORKLOADS, Job
from campaigns.stand import Stand


class Submitter(Protocol):
    """Sends one job of a workflow to its scheduler."""

    def submit(self, workflow: str, job: Job) -> None:
        """Send the job; an exception where the scheduler refuses it."""

    def name_of(self, workflow: str) -> str:
        """What the brain will call the workflow."""


def command_of(job: Job) -> list[str]:
    """The workload as an argument vector."""
    return [sys.executable, str(WORKLOADS / job.script), *job.arguments]


class LocalSubmitter:
    """``jobmend run --detach`` on this machine."""

    def __init__(self, stand: Stand) -> None:
        """Send to the local plugin of ``stand``."""
        self._stand = stand

    def submit(self, workflow: str, job: Job) -> None:
        """Start the job in the background."""
        options = {
            "--workflow": workflow,
            "--site": job.site,
            "--memory": f"{job.memory_mb}M",
            "--time": str(job.seconds),
            "--cpus": str(job.cpus),
        }
        words = [word for pair in options.items() for word in pair]
        self._stand.command("run", "--detach", *words, "--", *command_of(job))

    def name_of(self, workflow: str) -> str:
        """The name as it is given."""
        return workflow


class SlurmSubmitter:
    """``sbatch``; the workflow is the job's comment, the site its partition."""

    def __init__(self, output: Path) -> None:
        """Write the jobs' output below ``output``."""
        self._output = output

    def submit(self, workflow: str, job: Job) -> None:
        """Queue the job; Slurm counts time in whole minutes."""
        script = f"#!/bin/sh\nexec {shlex.join(command_of(job))}\n"
        subprocess.run(
            [
                "sbatch",
                f"--comment={workflow}",
                f"--job-name={workflow}",
                f"--partition={job.site}",
                f"--mem={job.memory_mb}M",
                f"--time={math.ceil(job.seconds / 60)}",
                f"--cpus-per-task={job.cpus}",
                f"--output={self._output}/%j.out",
                "--requeue",
            ],
            input=script,
            text=True,
            check=True,
            capture_output=True,
        )

    def name_of(self, workflow: str) -> str:
        """Slurm's workflows are their users' own."""
        return f"{getpass.getuser()}/{workflow}"
