"""The guest's Slurm: submit as the job user, ask the controller, wait."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = "tester"
HOME = Path("/home") / USER
LOAD = "/mnt/share/guest/load.py"
PATIENCE_SECONDS = 90.0  # an emulated machine is slow, and its host may be busy


def output(*argv: str) -> str:
    """What a command printed; CalledProcessError where it fails."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def until(done: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait until ``done`` says so; False where it never did."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


@dataclass(frozen=True)
class Job:
    """A job that was submitted, and what all jobs together had used by then."""

    id: str
    used_before: float

    def ended(self) -> dict[str, Any]:
        """Wait for the end; what the controller, the kernel and the job itself say about it."""
        wait(self.id, "(?!PENDING|RUNNING|COMPLETING).*")
        told = shown(self.id)
        own = HOME / f"{self.id}.json"
        return {
            "id": self.id,
            "state": told["JobState"],
            "exit_code": told["ExitCode"],
            "own": json.loads(own.read_text()) if own.exists() else None,
            "used": used() - self.used_before,
        }


def used() -> float:
    """CPU seconds of all jobs so far, those that are gone included, and of their step daemons."""
    (scope,) = Path("/sys/fs/cgroup/system.slice").glob("*slurmstepd.scope")
    counted = (scope / "cpu.stat").read_text().split()
    return int(counted[counted.index("usage_usec") + 1]) / 1e6


def submit(command: str, *options: str) -> Job:
    """Submit a shell line as the job user."""
    before = used()
    sbatch = ("sbatch", "--parsable", f"--chdir={HOME}", "--output=%j.out", *options)
    return Job(output("runuser", "-u", USER, "--", *sbatch, f"--wrap={command}"), before)


def submit_load(kind: str, *options: str) -> Job:
    """Submit one of the loads of load.py."""
    return submit(f"exec python3 {LOAD} {kind}", *options)


def allocate(name: str, *options: str) -> Job:
    """Take an allocation in which nothing is started."""
    before = used()
    salloc = ("salloc", "--no-shell", "--quiet", f"--job-name={name}", *options)
    output("runuser", "-u", USER, "--", *salloc)
    return Job(output("squeue", "--noheader", f"--name={name}", "--format=%A"), before)


def shown(job_id: str) -> dict[str, str]:
    """What the controller says about a job: JobState, ExitCode and so on."""
    words = output("scontrol", "show", "job", "--oneliner", job_id).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def wait(job_id: str, states: str) -> None:
    """Wait until the job's state matches ``states``, a regular expression."""
    until(lambda: re.fullmatch(states, shown(job_id)["JobState"]) is not None)
