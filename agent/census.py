"""A look into the cgroups of one job: how many processes and threads, and on which CPUs they run.

Processes are those of ``cgroup.procs`` in the job's cgroup and all below: zombies are not among
them. Threads are ``pids.current`` where a pids controller counts (zombies included until they are
reaped), else the lines of ``cgroup.threads`` (v2) or ``tasks`` (v1), without zombies.

For a job without a cpuset the CPUs are those its processes may run on (affinity), or, where that is
the whole node, those its threads were last seen on, weighted with the CPU time they took since the
look before. Sources: proc_pid_stat(5), proc_pid_status(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..plugins.layout import JobPath
from ..plugins.processes import cgroups_below, pids_below, read_file, read_process
from .cgroups import UNIFIED
from .parsers import cpu_list

MAX_THREADS_OF_A_JOB = 256  # sampled in one look
MAX_THREADS = 4096  # of the whole node, sampled in looks of one time

AFFINITY, SAMPLED = "affinity", "sampled"

_TICKS = float(os.sysconf("SC_CLK_TCK"))
_CPU_LINE = re.compile(rb"^cpu(\d+) ", re.MULTILINE)
_ALLOWED = b"\nCpus_allowed_list:\t"
# Where processes are listed for sure before where they may not be attached.
_ORDER = {UNIFIED: 0, "memory": 1, "cpuacct": 2}


@dataclass(frozen=True)
class Found:
    """What one look found; None where that could not be told.

    ``cpus``: the share of each CPU's time the job took since the look before, by ``method``; an
    affinity has shares of 1.0. Both are empty where nothing is known, as in the first look.
    """

    processes: int | None = None
    threads: int | None = None
    method: str = ""
    cpus: Mapping[int, float] = field(default_factory=dict)


class Task(NamedTuple):
    """A thread's line in /proc: CPU time and start in ticks, and the CPU it ran on last."""

    ticks: int
    cpu: int
    started: int


class _Look(NamedTuple):
    """What is kept of one look at a job: the ticks of each thread by id and start, and when."""

    at: float
    ticks: Mapping[tuple[str, int], int]
    whole: bool  # were all threads looked at?


class Census:
    """Looks into the jobs of one node. Only one thread may use it."""

    def __init__(self, proc_root: str) -> None:
        """Read processes below ``proc_root``; nothing is read yet."""
        self._proc_root = proc_root
        self._looks: dict[JobPath, _Look] = {}
        self._now: float | None = None
        self._left = MAX_THREADS
        self._online: frozenset[int] = frozenset()

    def take(
        self, job: JobPath, directories: Mapping[str, str], now: float, want_cpus: bool
    ) -> Found:
        """Look into ``job`` at the monotonic time ``now``; ``want_cpus``: it has no cpuset.

        ``directories`` are its cgroups by controller. What vanishes meanwhile is passed over.
        """
        directory, pids = _processes(directories)
        processes = None if pids is None else len(pids)
        threads = _threads(directories, directory) if processes else processes
        if not want_cpus or not pids:
            return Found(processes, threads)
        self._begin(now)
        allowed = self._allowed(pids[:MAX_THREADS_OF_A_JOB])
        if allowed and allowed < self._online:
            self._looks.pop(job, None)
            return Found(processes, threads, AFFINITY, dict.fromkeys(sorted(allowed), 1.0))
        shares = self._sampled(job, pids, now)
        return Found(processes, threads, SAMPLED if shares else "", shares)

    def forget(self, job: JobPath) -> None:
        """The job is gone."""
        self._looks.pop(job, None)

    def _begin(self, now: float) -> None:
        """The jobs looked at under one time share a number of threads."""
        if now != self._now:
            self._now, self._left = now, MAX_THREADS
            self._online = _online(self._proc_root)

    def _allowed(self, pids: Iterable[str]) -> set[int]:
        """The CPUs that any of the processes may run on, of those that are online."""
        allowed: set[int] = set()
        for pid in pids:
            try:
                status = read_process(self._proc_root, pid, "status")
                allowed |= self._online.intersection(
                    cpu_list(status.split(_ALLOWED, 1)[1].split(b"\n", 1)[0])
                )
            except (OSError, IndexError, ValueError):
                continue
            if len(allowed) == len(self._online):
                break
        return allowed

    def _sampled(self, job: JobPath, pids: Iterable[str], now: float) -> dict[int, float]:
        before = self._looks.get(job)
        limit = min(MAX_THREADS_OF_A_JOB, self._left)
        tasks = self._tasks(pids, limit)
        self._left -= len(tasks)
        ticks = {(tid, task.started): task.ticks for tid, task in tasks.items()}
        self._looks[job] = _Look(now, ticks, len(tasks) < limit)
        if before is None or now <= before.at:
            return {}
        seconds: dict[int, float] = {}
        for tid, task in tasks.items():
            # A thread that was not there began since, unless it was not looked at.
            unknown = 0 if before.whole else task.ticks
            progress = task.ticks - before.ticks.get((tid, task.started), unknown)
            if progress > 0:
                seconds[task.cpu] = seconds.get(task.cpu, 0.0) + progress / _TICKS
        elapsed = now - before.at
        return {cpu: min(spent / elapsed, 1.0) for cpu, spent in sorted(seconds.items())}

    def _tasks(self, pids: Iterable[str], limit: int) -> dict[str, Task]:
        tasks: dict[str, Task] = {}
        for pid in pids:
            for tid in _names(os.path.join(self._proc_root, pid, "task")):
                if len(tasks) >= limit:
                    return tasks
                try:
                    line = read_process(self._proc_root, pid, f"task/{tid}/stat")
                    tasks[tid] = parse_task(line)
                except (OSError, ValueError):
                    continue
        return tasks


def parse_task(line: bytes) -> Task:
    """A line of ``/proc/<pid>/task/<tid>/stat``; ValueError where it is none.

    The second field is a name in brackets that may hold spaces and brackets itself.
    """
    fields = line.rpartition(b")")[2].split()
    try:
        return Task(int(fields[11]) + int(fields[12]), int(fields[36]), int(fields[19]))
    except IndexError:
        raise ValueError(f"{len(fields)} fields behind the name") from None


def _processes(directories: Mapping[str, str]) -> tuple[str, list[str] | None]:
    """The processes of a job and the cgroup that lists them: a job may be attached to some only."""
    found: tuple[str, list[str] | None] = ("", None)
    for controller in sorted(directories, key=lambda name: (_ORDER.get(name, 9), name)):
        pids = pids_below(directories[controller])
        if pids:
            return directories[controller], pids
        if pids is not None:
            found = directories[controller], pids
    return found


def _threads(directories: Mapping[str, str], listing: str) -> int | None:
    for controller in (UNIFIED, "pids"):
        if controller in directories:
            try:
                return int(read_file(os.path.join(directories[controller], "pids.current")))
            except (OSError, ValueError):
                continue
    counted: list[int] = []
    for cgroup in cgroups_below(listing):
        for name in ("cgroup.threads", "tasks"):
            try:
                counted.append(read_file(os.path.join(cgroup, name)).count(b"\n"))
                break
            except OSError:
                continue
    return sum(counted) if counted else None


def _online(proc_root: str) -> frozenset[int]:
    try:
        stat = read_file(os.path.join(proc_root, "stat"))
    except OSError:
        return frozenset()
    return frozenset(int(number) for number in _CPU_LINE.findall(stat))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
