from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobmend.plugins.local.job import Job, JobState
from jobmend.plugins.local.queue import Queue

CGROUP_ROOT = Path("/sys/fs/cgroup")
MEMORY_CGROUPS = (CGROUP_ROOT / "memory/cgroup.procs", CGROUP_ROOT / "cgroup.procs")  # v1, v2
ENDED = frozenset(JobState) - {JobState.PENDING, JobState.HELD, JobState.RUNNING}


class Local:
    """A queue of its own, spoken to by its command line as users do."""

    def __init__(self, state_dir: Path, cgroup_root: Path, instance: str) -> None:
        self.state_dir = state_dir
        self.instance = instance
        self.python = sys.executable
        self.env = {
            **os.environ,
            "JOBMEND_LOCAL_DIR": str(state_dir),
            "JOBMEND_LOCAL_INSTANCE": instance,
            "JOBMEND_CGROUP_ROOT": str(cgroup_root),
            "JOBMEND_HOOK_SOCKET": str(state_dir.parent / "hook.sock"),
        }

    def command(
        self, *words: str, user: int | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.python, "-m", "jobmend.plugins.local", *words],
            env=self.env,
            cwd="/",
            user=user,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def run(self, *words: str) -> int:
        return self.command("run", *words, check=False).returncode

    def submit(self, *words: str) -> str:
        return self.command("submit", *words).stdout.strip().split("/")[-1]

    def jobs(self) -> list[Job]:
        with Queue(self.state_dir) as queue:
            return queue.jobs()

    def job(self, run: str) -> Job:
        with Queue(self.state_dir) as queue:
            return queue.get(run)

    def wait(self, run: str, *states: JobState, seconds: float = 20.0) -> Job:
        """Wait for one of ``states``; for an end, that it is written down."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.job(run)
            if job.state in (states or ENDED) and (states or job.ended is not None):
                return job
            time.sleep(0.02)
        raise AssertionError(f"{run} is {self.job(run).state} after {seconds} s")

    def output(self, run: str) -> str:
        return (self.state_dir / "output" / f"{self.job(run).job_id}.out").read_text()

    def processes(self, run: str) -> list[int]:
        return [process.pid for process in psutil.process_iter() if _environment(process) == run]

    def cgroups(self) -> list[Path]:
        """What is there of this queue: v1 and hybrid hosts, then v2."""
        name = f"jobmend_{self.instance}"
        return [*CGROUP_ROOT.glob(f"*/{name}"), *CGROUP_ROOT.glob(name)]


def _environment(process: psutil.Process) -> str:
    try:
        return process.environ().get("JOBMEND_RUN", "")
    except psutil.Error:
        return ""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short path (sockets) that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="jm-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def _local(scratch: Path, cgroup_root: Path) -> Iterator[Local]:
    local = Local(scratch / "state", cgroup_root, f"test{os.getpid()}")
    yield local
    for job in local.jobs() if local.state_dir.exists() else []:
        if job.ended is None:
            local.command("kill", job.run)
    assert local.cgroups() == []


@pytest.fixture
def tree(scratch: Path) -> Iterator[Local]:
    """A queue that may use no cgroups."""
    yield from _local(scratch, scratch / "no-cgroups")


@pytest.fixture
def caged(scratch: Path) -> Iterator[Local]:
    """A queue that uses this machine's cgroups."""
    if os.geteuid() != 0:
        pytest.skip("cgroups of our own need root")
    if not any(os.access(path, os.W_OK) for path in MEMORY_CGROUPS):
        pytest.skip("no cgroup may be made on this machine")
    yield from _local(scratch, CGROUP_ROOT)


@pytest.fixture(params=["tree", pytest.param("caged", marks=pytest.mark.cgroup)])
def local(request: pytest.FixtureRequest) -> Local:
    """A queue, with and without cgroups."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Local)
    return found
