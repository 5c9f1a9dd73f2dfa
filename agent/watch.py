"""Deciding from a run's trace whether it stalls, or suffers from others on its node."""

from __future__ import annotations

from collections.abc import Sequence

from ..jobs.events import EventKind
from .config import Watch
from .trace import (
    AROUND_BLOCKED,
    AROUND_COMPUTING,
    CPU_USER,
    CPU_WAITING,
    IO_WAITING,
    TIME,
    JobTrace,
)

Row = Sequence[float]


def stalls(trace: JobTrace, watch: Watch) -> bool:
    """Has a run that once was busy made no CPU progress for ``stall_seconds``?

    Its processes must still be there: an allocation that is empty waits for its owner.
    """
    idle = trace.idle_seconds
    return (
        idle is not None
        and idle >= watch.stall_seconds
        and trace.busiest_share >= watch.stall_busy_share
        and trace.has_processes()
    )


def suffers(trace: JobTrace, watch: Watch) -> bool:
    """Do others take what the run waits for, for ``contention_share`` of ``contention_seconds``?

    CPU: it waits that long, and others compute that long on the threads it may use. I/O: it waits
    that long, and beyond its own tasks that many wait for I/O too. A run that waits alone is its
    own trouble: too many threads of its own, or many small synced writes.
    """
    last, before = _span(trace, watch.contention_seconds)
    if last is None or before is None:
        return False
    grown = [new - old for new, old in zip(last, before)]
    enough = watch.contention_share * grown[TIME]
    if grown[CPU_WAITING] >= enough and grown[AROUND_COMPUTING] - grown[CPU_USER] >= enough:
        return True
    if not grown[IO_WAITING] >= enough:
        return False
    return grown[AROUND_BLOCKED] - grown[IO_WAITING] * (trace.processes() or 1) >= enough


def _span(trace: JobTrace, seconds: float) -> tuple[Row | None, Row | None]:
    """The newest row, and the newest that is at least ``seconds`` older; None where too young."""
    ring = trace.ring
    if not len(ring) or ring.row(0)[TIME] > ring.row(-1)[TIME] - seconds:
        return None, None
    last = ring.row(-1)
    since = last[TIME] - seconds
    # By halving: times ascend.
    low, high = 0, len(ring) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if ring.row(middle)[TIME] <= since else (low, middle - 1)
    return last, ring.row(low)


def warnings(trace: JobTrace, watch: Watch) -> list[EventKind]:
    """The warnings that hold for a run now."""
    found = []
    if stalls(trace, watch):
        found.append(EventKind.STALL)
    if suffers(trace, watch):
        found.append(EventKind.CONTENTION)
    return found
