"""Deciding from a run's trace whether it stalls, or suffers from others on its node."""

from __future__ import annotations

from ..jobs.events import EventKind
from .config import Watch
from .sources import CPU_USER, CPU_WAITING, IO_WAITING, SECONDS
from .threads import ThreadTrace
from .trace import JobTrace


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


def suffers(trace: JobTrace, threads: ThreadTrace, watch: Watch, steps: int) -> bool:
    """Do others take what the run waits for, for ``contention_share`` of ``contention_seconds``?

    So many seconds are ``steps`` of the ring.

    CPU: it waits that long, and others compute that long on the threads it may use. I/O: it waits
    that long, and beyond its own tasks that many wait for I/O too. A run that waits alone is its
    own trouble: too many threads of its own, or many small synced writes. One that waited and has
    not in the last tenth of the time is left alone too.
    """
    if len(trace.ring) < steps or not _waits(trace, watch, max(steps // 10, 1)):
        return False
    grown = trace.ring.sums(steps)
    enough = watch.contention_share * grown[SECONDS]
    waits_for_cpu, waits_for_io = grown[CPU_WAITING] >= enough, grown[IO_WAITING] >= enough
    if not (waits_for_cpu or waits_for_io):
        return False
    cpus = trace.cpuset.effective if trace.cpuset else None
    others = threads.others(watch.contention_seconds, cpus)
    if others is None:
        return False
    if waits_for_cpu and others.computing - grown[CPU_USER] >= enough:
        return True
    own = grown[IO_WAITING] * (trace.processes() or 1)
    return waits_for_io and others.blocked - own >= enough


def _waits(trace: JobTrace, watch: Watch, steps: int) -> bool:
    """Has it waited for that share of the newest ``steps`` too? A look at few of them is cheap."""
    waited = trace.ring.sums(steps)
    enough = watch.contention_share * waited[SECONDS]
    return waited[CPU_WAITING] >= enough or waited[IO_WAITING] >= enough


def warnings(
    trace: JobTrace, threads: ThreadTrace, watch: Watch, period_seconds: float
) -> list[EventKind]:
    """The warnings that hold now for a run that is sampled every ``period_seconds``."""
    found = []
    if stalls(trace, watch):
        found.append(EventKind.STALL)
    steps = max(round(watch.contention_seconds / period_seconds), 1)
    if suffers(trace, threads, watch, steps):
        found.append(EventKind.CONTENTION)
    return found
