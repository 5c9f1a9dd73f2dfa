"""A real job directory on this machine: a busy process in it is measured, to its end."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobmend.agent.cgroups import hierarchies
from jobmend.agent.config import Config, Window
from jobmend.agent.node import Node
from jobmend.agent.sampler import Sampler
from jobmend.agent.sources import CPU_FAMILIES, CURRENT
from jobmend.agent.spool import Spool
from jobmend.agent.summary import summarize
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import ExitKind
from jobmend.jobs.windows import TraceWindow
from jobmend.plugins.layout import JobPath
from jobmend.plugins.local.cgroups import LAYOUT as LOCAL
from tests.agent.running import cpu_seconds, remove_cgroup

pytestmark = pytest.mark.cgroup

ROOT = "/sys/fs/cgroup"
ULID = "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9"
NAME = f"jobmend_t{os.getpid()}"
JOB = JobPath("local", "7", ULID)
# Other jobs may run on this machine: only the test's own are looked for.
LAYOUTS = [dataclasses.replace(LOCAL, globs=(f"{NAME}/job_*",))]
# 30 MB are touched, then a core is kept busy.
BUSY = "x = bytearray(30_000_000)\nprint('ready', flush=True)\nwhile True: pass"


class Cgroups:
    """One job directory in each hierarchy that takes one."""

    def __init__(self) -> None:
        self.parents: list[Path] = []
        self.directories: list[Path] = []

    def make(self) -> None:
        for tree in hierarchies(ROOT):
            parent = Path(tree.root) / NAME
            if "cpuset" in tree.controllers:
                continue  # needs its cpus written before it takes a process
            self.parents.append(parent)
            parent.mkdir()
            self.directories.append(parent / f"job_7.{ULID}")
            self.directories[-1].mkdir()

    def enter(self, pid: int) -> None:
        for directory in self.directories:
            (directory / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        for directory in (*self.directories, *self.parents):
            remove_cgroup(directory)
        self.directories, self.parents = [], []


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    made = Cgroups()
    try:
        made.make()
        names = ("memory.usage_in_bytes", "memory.current")
        if not any((one / name).exists() for one in made.directories for name in names):
            pytest.skip(f"no memory controller for cgroups made below {ROOT}")
        yield made
    except PermissionError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    finally:
        made.remove()


@pytest.fixture
def busy(cgroups: Cgroups) -> Iterator[subprocess.Popen[bytes]]:
    def enter() -> None:
        cgroups.enter(os.getpid())

    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], preexec_fn=enter, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def live(config: Config) -> Config:
    return dataclasses.replace(config, sample=dataclasses.replace(config.sample, cgroup_root=ROOT))


def sample(sampler: Sampler, count: int) -> None:
    for _ in range(count):
        sampler.sample(time.monotonic(), time.time())
        time.sleep(0.1)


def sample_while_it_works(take: Callable[[], object], pid: int, seconds: float) -> int:
    """Take samples until a process has used some CPU time; how many it were."""
    began, samples = cpu_seconds(pid), 0
    while cpu_seconds(pid) < began + seconds:
        take()
        samples += 1
        time.sleep(0.1)
    return samples


def test_a_busy_process_is_measured_until_its_cgroup_is_gone(
    live: Config, cgroups: Cgroups, busy: subprocess.Popen[bytes]
) -> None:
    sampler = Sampler(live, LAYOUTS)
    used = cpu_seconds(busy.pid)
    sample(sampler, 2)
    trace = sampler.jobs[JOB]
    before = trace.values()
    taken = sample_while_it_works(lambda: sample(sampler, 1), busy.pid, 0.5)
    sample(sampler, 1)
    after = trace.values()
    used = cpu_seconds(busy.pid) - used
    assert 0.4 < sum(after[family] - before[family] for family in CPU_FAMILIES) < used + 0.05
    assert 30_000_000 < after[CURRENT] < 200_000_000
    assert trace.has_processes()
    busy.kill()
    busy.wait()
    sample(sampler, 3)
    cgroups.remove()
    changes = sampler.sample(time.monotonic(), time.time())
    assert changes.vanished == {JOB: trace} and JOB not in sampler.jobs
    summary = summarize(trace, trace.started_epoch, trace.ended_epoch)
    assert summary.samples == 2 + taken + 1 + 3
    assert summary.cpu_seconds is not None and summary.cpu_seconds > 0.3
    assert summary.memory_peak_bytes is not None and summary.memory_peak_bytes > 30_000_000
    assert summary.cpu_idle_tail_seconds is not None and summary.cpu_idle_tail_seconds > 0.15
    assert summary.oom_kills == 0
    sampler.close()


def test_no_descriptor_is_left_of_a_job_that_went(live: Config, cgroups: Cgroups) -> None:
    sampler = Sampler(live, LAYOUTS)
    sample(sampler, 1)
    kept = len(os.listdir("/proc/self/fd"))
    cgroups.remove()
    sample(sampler, 1)
    assert len(os.listdir("/proc/self/fd")) < kept
    cgroups.make()
    sample(sampler, 1)
    assert len(os.listdir("/proc/self/fd")) == kept
    sampler.close()


def test_a_cgroup_made_anew_between_two_samples_is_another_run(
    live: Config, cgroups: Cgroups
) -> None:
    sampler = Sampler(live, LAYOUTS)
    sample(sampler, 1)
    first = sampler.jobs[JOB]
    cgroups.remove()
    cgroups.make()
    sample(sampler, 1)  # its descriptors turn out to be dead
    changes = sampler.sample(time.monotonic(), time.time())
    assert changes.vanished == {JOB: first}
    assert sampler.jobs[JOB] is changes.appeared[JOB] is not first
    sampler.close()


def test_without_hooks_the_cgroup_alone_tells_start_end_and_a_window(
    live: Config, cgroups: Cgroups, busy: subprocess.Popen[bytes]
) -> None:
    live = dataclasses.replace(live, window=Window(steps=4, interval_seconds=600.0))  # at its end
    node = Node(live, Spool(live.spool.path, 100))
    node.sampler = Sampler(live, LAYOUTS)
    for _ in range(7):
        node.sample()
        time.sleep(0.1)
    sample_while_it_works(node.sample, busy.pid, 0.2)
    busy.kill()
    busy.wait()
    cgroups.remove()
    for _ in range(20):
        node.sample()
        time.sleep(0.1)
    told = [wire.loads(one.body) for one in node.spool.oldest(500, 10**9)]
    ours = [one for one in told if isinstance(one, JobEvent) and one.run.run == ULID]
    start, end = ours
    assert (start.kind, end.kind) == (EventKind.START, EventKind.END)
    assert end.exit is not None and end.exit.kind is ExitKind.UNKNOWN
    assert end.trace is not None and (end.trace.cpu_seconds or 0) > 0.1
    assert sum(isinstance(one, TraceWindow) and one.steps == 4 for one in told) == 1
    node.sampler.close()
    node.spool.close()
