"""The trace of a run in a dozen numbers, for its END event."""

from __future__ import annotations

from ..jobs.events import TraceSummary
from .parsers import Pressure
from .trace import JobTrace


def summarize(trace: JobTrace, started: float, ended: float) -> TraceSummary:
    """What was measured of a run that lasted from ``started`` to ``ended`` (epoch seconds).

    The counters are those of the last good sample, at most one sampling period old at the end.
    """
    cpu, memory = trace.cpu.value, trace.memory
    return TraceSummary(
        duration_seconds=max(ended - started, 0.0),
        samples=trace.samples,
        cpu_user_seconds=None if cpu is None else cpu.user,
        cpu_system_seconds=None if cpu is None else cpu.system,
        cpu_idle_tail_seconds=trace.idle_seconds,
        memory_peak_bytes=memory.highest if memory.peak is None else memory.peak,
        memory_limit_bytes=memory.limit,
        oom_kills=None if memory.oom is None else memory.oom.kills,
        cpu_waiting_seconds=_some(trace.cpu_pressure.value),
        memory_waiting_seconds=_some(trace.memory_pressure.value),
        io_waiting_seconds=_some(trace.io_pressure.value),
    )


def _some(pressure: Pressure | None) -> float | None:
    return None if pressure is None else pressure.some
