"""Deciding from a run's trace whether it stalls, or suffers from others on its node."""

from __future__ import annotations

from ..jobs.events import EventKind
from .config import Watch
from .trace import CPU_WAITING, IO_WAITING, TIME, JobTrace


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
    """Did some task wait for CPU or I/O for ``contention_share`` of ``contention_seconds``?"""
    ring = trace.ring
    if not len(ring):
        return False
    last = ring.row(-1)
    since = last[TIME] - watch.contention_seconds
    if ring.row(0)[TIME] > since:
        return False  # not yet long enough
    # The newest row that is old enough, found by halving: times ascend.
    low, high = 0, len(ring) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if ring.row(middle)[TIME] <= since else (low, middle - 1)
    before = ring.row(low)
    enough = watch.contention_share * (last[TIME] - before[TIME])
    return any(last[column] - before[column] >= enough for column in (CPU_WAITING, IO_WAITING))


def warnings(trace: JobTrace, watch: Watch) -> list[EventKind]:
    """The warnings that hold for a run now."""
    found = []
    if stalls(trace, watch):
        found.append(EventKind.STALL)
    if suffers(trace, watch):
        found.append(EventKind.CONTENTION)
    return found
