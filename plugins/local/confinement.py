"""What every way of confining a job offers, and how the processes in it are brought to an end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

KILL_SECONDS = 10.0  # a process in uninterruptible sleep outlives SIGKILL


@dataclass(frozen=True)
class Limits:
    """What a job may use; None as memory is no limit."""

    memory_bytes: int | None
    cpus: tuple[int, ...]  # hardware threads


class Confinement(Protocol):
    """The place of one job's processes.

    Law: after :meth:`remove` neither a process nor a directory of the job is left; it may be called
    at any time, more than once, and by a process that did not call :meth:`create`.
    """

    method: str

    def create(self, limits: Limits) -> None:
        """Make the place; OSError where the machine does not allow it."""

    def enter(self, pid: int) -> None:
        """Put a process in; its children follow by themselves."""

    def oom_kills(self) -> int:
        """How often the memory limit was broken; ask often, not every way is told by the kernel."""

    def peak_bytes(self) -> int | None:
        """The most memory the job had at once, None where nobody can tell."""

    def pids(self) -> list[int]:
        """The living processes in it."""

    def freeze(self) -> None:
        """Let everything in it stand still."""

    def thaw(self) -> None:
        """Let everything in it go on."""

    def remove(self) -> None:
        """Kill what is left in it and take it away."""


def send_signal(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_all(pids: Callable[[], list[int]], seconds: float = KILL_SECONDS) -> bool:
    """SIGKILL what ``pids`` tells until it tells nothing; False when some outlive ``seconds``."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        left = pids()
        if not left:
            return True
        if time.monotonic() > deadline:
            return False
        send_signal(left, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


def read_pids(directory: Path) -> list[int]:
    """The processes of a cgroup; none where it does not exist."""
    try:
        return [int(line) for line in (directory / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def parse_oom_kills(text: str) -> int:
    """``oom_kill`` of ``memory.events``, or of v1's ``memory.oom_control``: absent before 4.13."""
    counts = dict(line.split() for line in text.splitlines())
    return int(counts.get("oom_kill", 0))


def make_job_directory(directory: Path) -> None:
    """Make a job's cgroup and the one above it, which an ending job may just have removed."""
    for _ in range(20):
        directory.parent.mkdir(exist_ok=True)
        try:
            directory.mkdir(exist_ok=True)
            return
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"{directory.parent} goes away as fast as it is made")


def remove_job_directory(directory: Path, seconds: float = 2.0) -> None:
    """Remove a job's empty cgroup, and the one above it when it was the last."""
    deadline = time.monotonic() + seconds
    while directory.exists():  # the kernel needs a moment after the last process
        try:
            directory.rmdir()
        except FileNotFoundError:
            break
        except OSError:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
    with contextlib.suppress(OSError):
        directory.parent.rmdir()
