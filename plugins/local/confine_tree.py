"""A job without a cgroup: its processes are followed from parent to child.

What the kernel would do is done by looking: memory is the sum of the processes' resident sets, so
shared pages count for each, and a peak between two looks is missed. Nothing keeps the job on its
CPUs but the affinity it starts with.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil

from .confinement import Limits, kill_all, send_signal

RUN_VARIABLE = "JOBMEND_RUN"


class ProcessTree:
    """All descendants of this process, which must be a child subreaper so that none escapes."""

    method = "process tree"

    def __init__(self) -> None:
        """Follow nothing yet."""
        self._limit: int | None = None
        self._peak = 0
        self._broken = 0

    def create(self, limits: Limits) -> None:
        """Remember the memory limit."""
        self._limit = limits.memory_bytes

    def enter(self, pid: int) -> None:
        """A child of this process is in it already."""

    def oom_kills(self) -> int:
        """Look at the memory now and count when it is above the limit."""
        resident = sum(_resident_bytes(pid) for pid in self.pids())
        self._peak = max(self._peak, resident)
        if self._limit is not None and resident > self._limit:
            self._broken += 1
        return self._broken

    def peak_bytes(self) -> int | None:
        """The most that was seen, None when nobody looked in time."""
        return self._peak or None

    def pids(self) -> list[int]:
        """The living descendants."""
        children = psutil.Process().children(recursive=True)
        return [child.pid for child in children if _alive(child)]

    def freeze(self) -> None:
        """Stop each process, until no new one has come meanwhile."""
        stopped: set[int] = set()
        while True:
            fresh = set(self.pids()) - stopped
            if not fresh:
                return
            send_signal(fresh, signal.SIGSTOP)
            stopped |= fresh

    def thaw(self) -> None:
        """Go on."""
        send_signal(self.pids(), signal.SIGCONT)

    def remove(self) -> None:
        """Kill what is left."""
        kill_all(self.pids)


def processes_of(run: str) -> Callable[[], list[int]]:
    """Who finds the processes of a run whose supervisor is gone, by their environment."""

    def find() -> list[int]:
        return [process.pid for process in psutil.process_iter() if _run_of(process) == run]

    return find


def _run_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(RUN_VARIABLE, "") if _alive(process) else ""
    except (psutil.Error, OSError):
        return ""


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
