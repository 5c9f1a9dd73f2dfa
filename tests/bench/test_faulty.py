"""MPI ranks, and workloads with a fault on top."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.agent.running import until
from tests.bench.running import WORKLOADS, run


@pytest.mark.skipif(shutil.which("mpicc") is None, reason="MPICH is not installed")
def test_mpi_ranks_agree_on_their_sums(tmp_path: Path) -> None:
    words = ("--seconds", "0.5", "--ranks", "2", "--programs", str(tmp_path / "programs"))
    for _ in range(2):  # compiled, then found
        done = run("mpi.py", *words)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"mpi: \d+ sums over 2 ranks, all right", done.stdout.strip())


def test_mpi_without_mpich_is_processes(tmp_path: Path) -> None:
    done = run("mpi.py", "--seconds", "0.3", "--ranks", "3", PATH=str(tmp_path))
    assert re.fullmatch(r"allreduce: \d+ sums over 3 ranks, all right", done.stdout.strip())


@pytest.mark.skipif(shutil.which("mpiexec") is None, reason="MPICH is not installed")
def test_mpi_that_does_not_compile_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "mpicc"
    broken.write_text("#!/bin/sh\necho no header >&2\nexit 1\n")
    broken.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    if shutil.which("mpicc.mpich"):
        broken.rename(tmp_path / "mpicc.mpich")
    done = run("mpi.py", "--programs", str(tmp_path / "none"), PATH=path)
    assert done.returncode == 1
    assert "does not compile" in done.stderr


def test_faulty_runs_the_workload_and_returns_its_code() -> None:
    done = run("faulty.py", "--", "good_io.py", "--seconds", "0.1", "--events", "1000")
    assert done.returncode == 0
    assert re.search(r"good_io: .*\nfaulty: none on good_io.py", done.stdout)
    assert run("faulty.py", "--", "crash.py", "--seconds", "0.1").returncode == 128 + 11
    assert run("faulty.py").returncode == os.EX_USAGE


def test_a_leak_grows_beside_the_work() -> None:
    words = ("--fault", "memory_leak", "--mb-per-second", "60", "--", "idle.py", "--seconds", "4")
    command = [sys.executable, str(WORKLOADS / "faulty.py"), *words]
    peaks = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as leaking:
        while leaking.poll() is None:
            peaks.append(psutil.Process(leaking.pid).memory_info().rss)
            time.sleep(0.05)
    assert leaking.returncode == 0
    assert max(peaks) - peaks[0] > 60 << 20


def states_below(pid: int) -> list[str]:
    """What the processes below one do; of those that have just ended nothing."""
    states: list[str] = []
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            states.append(one.status())
    return states


def test_a_hang_stops_the_work_and_leaves_it_there() -> None:
    words = ("--fault", "hang", "--after", "0.5", "--", "cpu_hog.py", "--seconds", "1")
    command = [sys.executable, str(WORKLOADS / "faulty.py"), *words, "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as hanging:
        until(lambda: psutil.STATUS_STOPPED in states_below(hanging.pid))
        time.sleep(1.5)  # as long as the work would have taken, and more
        assert hanging.poll() is None
        assert psutil.STATUS_STOPPED in states_below(hanging.pid)
        for one in psutil.Process(hanging.pid).children(recursive=True):
            one.kill()


@pytest.mark.cgroup
@pytest.mark.skipif(not Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists(), reason="no v1 cpu")
@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_a_quota_throttles_the_work_in_a_cgroup_of_its_own() -> None:
    parent = Path(f"/sys/fs/cgroup/cpu/jobmend_t{os.getpid()}")
    parent.mkdir()
    try:
        words = ("--fault", "throttled", "--quota", "0.1", "--cpu-cgroup", str(parent))
        done = run("faulty.py", *words, "--", "cpu_hog.py", "--seconds", "1", "--threads", "1")
        assert done.returncode == 0, done.stderr
        (place,) = (child for child in parent.iterdir() if child.is_dir())
        told = dict(line.split() for line in (place / "cpu.stat").read_text().splitlines())
        assert int(told["nr_throttled"]) > 0
        place.rmdir()
    finally:
        parent.rmdir()
