"""A job's cgroup with every controller a node can give, made by hand below a scope of our own.

Slurm 24.11 gives its jobs neither io nor pids. Run as a program this is the job: inside a scope
that systemd delegated it makes a job's directory, writes to the disk, and waits to be ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from .slurm import until

JOB = "900001"
SCOPE = Path("/sys/fs/cgroup/madeup.slice/slurmstepd.scope")
WRITTEN_BYTES = 16 << 20
_FILE = Path("/var/tmp/written")
_READY = Path("/run/delegated.ready")


def start() -> subprocess.Popen[bytes]:
    """Start the job under systemd and wait until it has written."""
    scope = ("systemd-run", "--scope", "--quiet", "--slice=madeup.slice", "--unit=slurmstepd.scope")
    job = subprocess.Popen([*scope, "--property=Delegate=yes", sys.executable, "-m", __spec__.name])
    if not until(_READY.exists):
        raise RuntimeError(f"{SCOPE} has no job: see the console")
    return job


def counted() -> dict[str, Any]:
    """What the kernel counts for the job."""
    job = SCOPE / f"job_{JOB}"
    return {
        "io": (job / "io.stat").read_text(),
        "pids": int((job / "pids.current").read_text()),
    }


def stop(job: subprocess.Popen[bytes]) -> None:
    """End the job."""
    job.terminate()
    job.wait()


def _run() -> None:
    aside, job = SCOPE / "system", SCOPE / f"job_{JOB}"  # as Slurm does it
    aside.mkdir()
    (aside / "cgroup.procs").write_text("0")  # a cgroup with processes hands no controller down
    (SCOPE / "cgroup.subtree_control").write_text("+cpu +cpuset +io +memory +pids")
    job.mkdir()
    (job / "cgroup.procs").write_text("0")
    with _FILE.open("wb") as file:
        file.write(os.urandom(WRITTEN_BYTES))
        file.flush()
        os.fsync(file.fileno())
    _READY.touch()
    signal.pause()


if __name__ == "__main__":
    _run()
