"""Telling one process from another that has its number, out of ``/proc/<pid>/stat``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC_ROOT = Path("/proc")


@dataclass(frozen=True)
class ProcessId:
    """A process: its number and when it started, in clock ticks since boot."""

    pid: int
    start: int


def identify(pid: int, proc_root: Path = PROC_ROOT) -> ProcessId | None:
    """The living process ``pid``; None when there is none or only a zombie is left of it."""
    try:
        stat = (proc_root / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    start = parse_start(stat)
    return None if start is None else ProcessId(pid, start)


def parse_start(stat: bytes) -> int | None:
    """The start time in ``/proc/<pid>/stat``, None for a zombie.

    The second field is the command in brackets, which may hold brackets and spaces itself.
    """
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def lives(process: ProcessId, proc_root: Path = PROC_ROOT) -> bool:
    """Is it still the same process?"""
    return identify(process.pid, proc_root) == process
