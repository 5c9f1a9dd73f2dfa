"""Processes, threads and CPUs of jobs: real processes, real cgroups, and trees of files."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.agent import census as module
from jobmend.agent.census import Census, Found, Task, parse_task
from jobmend.agent.cgroups import hierarchies
from jobmend.plugins.layout import JobPath
from tests.agent.running import cpu_seconds, remove_cgroup, until

JOB = JobPath("htcondor", "", slot="slot1_1@n1")
NAME = f"jobmend_c{os.getpid()}"
ONLINE = sorted(os.sched_getaffinity(0))
# Three threads that sleep beside the first, which keeps a core busy.
BUSY = """
import threading, time
for _ in range(3):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(flush=True)
while True: pass
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    # Brackets and spaces in the name, as a user may have them.
    code = f"open('/proc/self/comm', 'w').write('a) (S 1 2'){BUSY}"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def listed(tmp_path: Path, *pids: int) -> dict[str, str]:
    """A directory that lists processes as a cgroup does."""
    (tmp_path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    return {"unified": str(tmp_path)}


def test_affinity_narrower_than_the_node_tells_where_a_job_runs(
    tmp_path: Path, busy: subprocess.Popen[bytes]
) -> None:
    if len(ONLINE) < 2:
        pytest.skip("this machine has one CPU: no affinity is narrower")
    os.sched_setaffinity(busy.pid, {ONLINE[1]})
    found = Census("/proc").take(JOB, listed(tmp_path, busy.pid), 1.0, True)
    assert found == Found(1, None, "affinity", {ONLINE[1]: 1.0})


def test_otherwise_the_cpus_are_those_its_threads_were_seen_on(
    tmp_path: Path, busy: subprocess.Popen[bytes]
) -> None:
    if len(ONLINE) != os.cpu_count():
        pytest.skip("this test itself may not use every CPU")
    census, directories = Census("/proc"), listed(tmp_path, busy.pid)
    began, used = time.monotonic(), cpu_seconds(busy.pid)
    assert census.take(JOB, directories, began, True) == Found(1, None)
    until(lambda: cpu_seconds(busy.pid) > used + 0.3)
    now = time.monotonic()
    found = census.take(JOB, directories, now, True)
    assert found.method == "sampled"
    assert set(found.cpus) <= set(ONLINE)
    spent = sum(found.cpus.values()) * (now - began)
    assert 0.25 < spent < cpu_seconds(busy.pid) - used + 0.05, "what it has used, by its own word"
    census.forget(JOB)
    assert census.take(JOB, directories, time.monotonic(), True).cpus == {}


def test_with_a_cpuset_no_process_is_looked_at(tmp_path: Path) -> None:
    directories = listed(tmp_path, os.getpid())
    assert Census("/nowhere").take(JOB, directories, 1.0, False) == Found(1, None)


def test_what_vanishes_is_passed_over(tmp_path: Path) -> None:
    census = Census("/proc")
    assert census.take(JOB, {}, 1.0, True) == Found()
    assert census.take(JOB, {"memory": str(tmp_path / "gone")}, 1.0, True) == Found()
    found = census.take(JOB, listed(tmp_path, 4194304000), 2.0, True)
    assert found == Found(1, None)
    census.forget(JobPath("slurm", "never seen"))


# ---- fixtures of /proc --------------------------------------------------------------------------


def write_task(proc: Path, tid: int, ticks: int, cpu: int, started: int = 5) -> None:
    folder = proc / "42" / "task" / str(tid)
    folder.mkdir(parents=True, exist_ok=True)
    fields = ["0"] * 50
    fields[11], fields[12], fields[19], fields[36] = str(ticks - 1), "1", str(started), str(cpu)
    fields[0] = "R"
    (folder / "stat").write_text(f"{tid} (a b) c) {' '.join(fields)}\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    made = tmp_path / "proc"
    (made / "42").mkdir(parents=True)
    (made / "stat").write_text("cpu  0 0\ncpu0 1 2\ncpu1 1 2\ncpu10 1 2\nintr 5 cpu7\n")
    (made / "42" / "status").write_text("Name:\ta\nCpus_allowed_list:\t0-63\nMems_allowed:\t1\n")
    return made


def test_progress_is_credited_to_the_last_cpu(tmp_path: Path, proc: Path) -> None:
    census, directories = Census(str(proc)), listed(tmp_path, 42)
    write_task(proc, 42, ticks=100, cpu=0)
    write_task(proc, 43, ticks=500, cpu=1)
    census.take(JOB, directories, 10.0, True)
    write_task(proc, 42, ticks=150, cpu=10)  # half a second, on another CPU now
    write_task(proc, 43, ticks=500, cpu=1)  # none
    write_task(proc, 44, ticks=20, cpu=0)  # new
    write_task(proc, 45, ticks=900, cpu=1)  # new, and more than a thread can use
    found = census.take(JOB, directories, 11.0, True)
    assert found.method == "sampled"
    assert found.cpus == {0: pytest.approx(0.2), 1: 1.0, 10: pytest.approx(0.5)}


def test_a_reused_thread_id_is_another_thread(tmp_path: Path, proc: Path) -> None:
    census, directories = Census(str(proc)), listed(tmp_path, 42)
    write_task(proc, 42, ticks=100, cpu=0)
    census.take(JOB, directories, 10.0, True)
    write_task(proc, 42, ticks=30, cpu=0, started=6)
    assert census.take(JOB, directories, 11.0, True).cpus == {0: pytest.approx(0.3)}


def test_the_number_of_threads_looked_at_is_bounded(
    tmp_path: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_THREADS_OF_A_JOB", 3)
    census, directories = Census(str(proc)), listed(tmp_path, 42)
    for tid in range(42, 52):
        write_task(proc, tid, ticks=100, cpu=0)
    census.take(JOB, directories, 10.0, True)
    for tid in range(42, 52):
        write_task(proc, tid, ticks=110, cpu=0)
    shares = census.take(JOB, directories, 11.0, True).cpus
    assert 0.0 < shares[0] <= 0.3 + 1e-9  # those not looked at before are not taken for new


def test_the_jobs_of_one_look_share_a_bound(
    tmp_path: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_THREADS", 1)
    census, directories = Census(str(proc)), listed(tmp_path, 42)
    other = JobPath("htcondor", "", slot="slot1_2@n1")
    for now in (10.0, 11.0):
        write_task(proc, 42, ticks=int(now * 100), cpu=0)
        first = census.take(JOB, directories, now, True)
        second = census.take(other, directories, now, True)
    assert first.cpus == {0: pytest.approx(1.0)} and second.cpus == {}


def test_affinity_of_offline_cpus_does_not_count(tmp_path: Path, proc: Path) -> None:
    (proc / "42" / "status").write_text("Name:\ta\nCpus_allowed_list:\t1,7,64-127\nx:\t1\n")
    found = Census(str(proc)).take(JOB, listed(tmp_path, 42), 1.0, True)
    assert (found.method, found.cpus) == ("affinity", {1: 1.0})


def test_threads_are_counted_by_the_controller_or_by_the_list(tmp_path: Path) -> None:
    directories = listed(tmp_path, 1, 2)
    (tmp_path / "cgroup.threads").write_text("1\n2\n3\n")
    below = tmp_path / "step_0"
    below.mkdir()
    (below / "tasks").write_text("7\n")
    assert Census("/proc").take(JOB, directories, 1.0, False) == Found(2, 4)
    (tmp_path / "pids.current").write_text("9\n")
    assert Census("/proc").take(JOB, directories, 1.0, False) == Found(2, 9)
    (tmp_path / "cgroup.procs").write_text("")
    assert Census("/proc").take(JOB, directories, 1.0, False) == Found(0, 0)


def test_a_job_is_in_the_cgroups_it_was_attached_to(tmp_path: Path) -> None:
    for name, pids in (("unified", ""), ("memory", "5\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text(pids)
    directories = {name: str(tmp_path / name) for name in ("memory", "unified", "cpuset")}
    assert Census("/proc").take(JOB, directories, 1.0, False).processes == 1


@given(st.binary(max_size=400))
def test_a_hostile_line_is_an_error_and_nothing_else(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_task(line), Task)


def test_a_line_of_proc_is_read_behind_the_name() -> None:
    with open("/proc/thread-self/stat", "rb") as file:
        task = parse_task(file.read())
    assert task.cpu in range(os.cpu_count() or 1)
    assert task.started > 0
    with pytest.raises(ValueError, match="3 fields"):
        parse_task(b"1 (x) R 1 2")


# ---- real cgroups -------------------------------------------------------------------------------


@pytest.fixture
def cgroups() -> Iterator[dict[str, str]]:
    """A job with a step below it, in the v2 hierarchy or that of memory."""
    roots = {name: tree.root for tree in hierarchies("/sys/fs/cgroup") for name in tree.controllers}
    made: list[Path] = []
    try:
        for controller in ("unified", "memory"):
            if controller in roots:
                for path in (NAME, f"{NAME}/step_0"):
                    made.append(Path(roots[controller], path))
                    made[-1].mkdir()
                break
        else:
            pytest.skip("no cgroup hierarchy is mounted below /sys/fs/cgroup")
        yield {controller: str(made[0])}
    except PermissionError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    finally:
        for directory in reversed(made):
            remove_cgroup(directory)


@pytest.mark.cgroup
def test_processes_and_threads_below_a_real_cgroup(
    cgroups: dict[str, str], busy: subprocess.Popen[bytes]
) -> None:
    census = Census("/proc")
    assert census.take(JOB, cgroups, 1.0, True) == Found(0, 0)  # an idle allocation
    (directory,) = cgroups.values()
    Path(directory, "step_0", "cgroup.procs").write_text(str(busy.pid))
    found = census.take(JOB, cgroups, 2.0, True)
    assert (found.processes, found.threads) == (1, 4)
    busy.kill()
    busy.wait()
    assert census.take(JOB, cgroups, 3.0, True) == Found(0, 0)
