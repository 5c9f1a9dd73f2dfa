"""Starting a job's first process in its place, in a session of its own."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import launch
from .confinement import Confinement
from .job import Job
from .spec import JobSpec

LAUNCH_SECONDS = 30.0


class LaunchError(Exception):
    """The job cannot be started; the message says why."""


@dataclass(frozen=True)
class Output:
    """Open descriptors for what a job writes."""

    stdout: int
    stderr: int


def job_environment(job: Job, cpus: tuple[int, ...]) -> dict[str, str]:
    """The environment of a job: its submitter's, and what it may know of itself."""
    return {
        **job.spec.env,
        "JOBMEND_JOB_ID": str(job.job_id),
        "JOBMEND_RUN": job.run,
        "JOBMEND_WORKFLOW": job.spec.workflow,
        "JOBMEND_SITE": job.spec.site,
        "JOBMEND_ATTEMPT": str(job.attempt),
        "JOBMEND_CPUS": ",".join(map(str, cpus)),
    }


def output_paths(spec: JobSpec, job_id: int, output_dir: Path) -> tuple[Path, Path]:
    """Where a job writes its standard output and its errors."""
    return (
        Path(spec.stdout) if spec.stdout else output_dir / f"{job_id}.out",
        Path(spec.stderr) if spec.stderr else output_dir / f"{job_id}.err",
    )


def open_output(paths: tuple[Path, Path]) -> Output:
    """Open both files to append to, so that a repeated job keeps what the first wrote."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        stdout = os.open(paths[0], flags, 0o600)
        try:
            return Output(stdout, os.open(paths[1], flags, 0o600))
        except OSError:
            os.close(stdout)
            raise
    except OSError as error:
        raise LaunchError(f"{error.strerror}: {error.filename}") from error


def start_process(
    spec: JobSpec,
    env: Mapping[str, str],
    output: Output,
    place: Confinement,
    cpus: tuple[int, ...],
) -> int:
    """Start the job in ``place`` on ``cpus`` and return its pid; LaunchError when it cannot be.

    The launcher is placed before it becomes the job, so that no instruction of the job runs and no
    page of it is charged elsewhere.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = _spawn([str(theirs.fileno()), spec.cwd or "/", *spec.argv], env, output, theirs)
        theirs.close()
        ours.settimeout(LAUNCH_SECONDS)
        try:
            if ours.recv(1) != launch.READY:
                raise LaunchError("the launcher died")
            os.sched_setaffinity(pid, cpus)
            place.enter(pid)
            ours.sendall(launch.GO)
            problem = ours.recv(launch.MAX_MESSAGE)
        except OSError as error:
            problem = (error.strerror or str(error)).encode()
    if problem:
        os.kill(pid, signal.SIGKILL)
        raise LaunchError(problem.decode(errors="replace"))
    return pid


def _spawn(
    arguments: list[str], env: Mapping[str, str], output: Output, channel: socket.socket
) -> int:
    os.set_inheritable(channel.fileno(), True)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", launch.__file__, *arguments],
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output.stdout, 1),
            (os.POSIX_SPAWN_DUP2, output.stderr, 2),
        ],
        setsid=True,
        setsigmask=[],
    )
