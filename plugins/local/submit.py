"""Submitting a job: into the queue, and a supervisor for it, in front or in the background."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ...jobs.identity import Run
from .events import run_of
from .exits import complaint, shell_code
from .job import Job
from .mend import mend
from .queue import Queue
from .settings import Settings, read_settings
from .slots import Slots
from .spec import JobSpec, read_spec


class SubmitError(Exception):
    """The job cannot be submitted; the message says why."""


@dataclass(frozen=True)
class Changes:
    """What a repeated job gets otherwise than before; None or empty leaves a thing as it was."""

    memory_bytes: int | None = None
    walltime_seconds: float | None = None
    site: str = ""

    def apply(self, spec: JobSpec) -> JobSpec:
        """The spec with the changes."""
        return replace(spec, **{name: value for name, value in vars(self).items() if value})


def submit(spec: JobSpec, state_dir: Path | None = None, cluster: str | None = None) -> Run:
    """Start ``spec`` in the background and return its run.

    WireError or SubmitError when it cannot be; so do :func:`run` and :func:`resubmit`.
    """
    settings = read_settings(state_dir, cluster)
    with Queue(settings.state_dir) as queue:
        job = queue.add(_fit(spec, settings), user=_user())
    _supervise_behind(settings, job)
    return run_of(job, settings.cluster)


def run(
    spec: JobSpec,
    state_dir: Path | None = None,
    detach: bool = False,
    cluster: str | None = None,
) -> int:
    """Run ``spec`` on this terminal and return its exit code, or detached: print its run key, 0.

    An interrupt from the terminal kills the job, and so does the death of this process.
    """
    if detach:
        print(submit(spec, state_dir, cluster).key)
        return 0
    settings = read_settings(state_dir, cluster)
    with Queue(settings.state_dir) as queue:
        job = queue.add(_fit(spec, settings), user=_user())
        _supervise_here(settings, job)
        mend(queue, settings)
        ended = queue.get(job.run)
    if words := complaint(ended.ending):
        print(f"jobmend: job {ended.job_id}: {words}", file=sys.stderr)
    return shell_code(ended.ending)


def resubmit(
    word: str,
    changes: Changes,
    token: str = "",
    state_dir: Path | None = None,
    cluster: str | None = None,
) -> Run:
    """Run an ended job again; with the ``token`` of before, return the run made then.

    KeyError when ``word`` (run key, run or job id) names no job.
    """
    settings = read_settings(state_dir, cluster)
    with Queue(settings.state_dir) as queue:
        mend(queue, settings)
        old = queue.find(word)
        if old.ended is None:
            raise SubmitError(f"run {old.run} has not ended; kill it before it is run again")
        job = queue.add(
            _fit(changes.apply(old.spec), settings),
            user=old.user,
            attempt=old.attempt + 1,
            parent=run_of(old, settings.cluster).key,
            token=token,
        )
    _supervise_behind(settings, job)
    return run_of(job, settings.cluster)


def _fit(spec: JobSpec, settings: Settings) -> JobSpec:
    """The spec as it will be read back, when this machine can run it at all."""
    slots = len(Slots(settings.slots_dir, settings.slots))
    if spec.cpus > slots:
        raise SubmitError(f"{spec.cpus} CPUs are wanted, jobs have {slots} here")
    return read_spec(spec.document())


def _supervise_behind(settings: Settings, job: Job) -> None:
    """Give the job a supervisor that outlives this process, unless it has or had one."""
    if job.supervisor is None and job.ended is None:
        command = [*_command(settings), "--detach", job.run]
        if subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL).returncode:
            raise SubmitError(f"the supervisor of run {job.run} cannot be started")


def _supervise_here(settings: Settings, job: Job) -> None:
    """Wait for a supervisor that shares this terminal."""
    with subprocess.Popen([*_command(settings), job.run], cwd="/") as supervisor:
        while supervisor.returncode is None:
            try:
                supervisor.wait()
            except KeyboardInterrupt:  # the supervisor got it as well and kills the job
                continue


def _command(settings: Settings) -> list[str]:
    """The command line of a supervisor; ``cwd="/"`` keeps strangers' modules out of its path."""
    places = ["--state-dir", str(settings.state_dir), "--cluster", settings.cluster]
    return [sys.executable, "-m", __package__, *places, "supervise"]


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
