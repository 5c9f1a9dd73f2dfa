"""The trace of a run in a dozen numbers, for its END event."""

from __future__ import annotations

from dataclasses import replace

from ..jobs.events import TraceSummary
from .anomaly import Anomaly
from .sources import CPU_FAMILIES, LIMIT, OOM
from .trace import JobTrace

_WAITING = "jobmend_job_pressure_{}_waiting_seconds_total"


def summarize(trace: JobTrace, started: float, ended: float) -> TraceSummary:
    """What was measured of a run that lasted from ``started`` to ``ended`` (epoch seconds).

    The counters are those of the last good sample: of the moment its last process left under
    cgroup v2, else at most one sampling period old at the end.
    """
    values = trace.values()
    whole = {family: int(values[family]) for family in (LIMIT, OOM[1]) if family in values}
    return TraceSummary(
        duration_seconds=max(ended - started, 0.0),
        samples=trace.samples,
        cpu_user_seconds=values.get(CPU_FAMILIES[0]),
        cpu_system_seconds=values.get(CPU_FAMILIES[1]),
        cpu_idle_tail_seconds=trace.idle_seconds,
        memory_peak_bytes=trace.memory_peak,
        memory_limit_bytes=whole.get(LIMIT),
        oom_kills=whole.get(OOM[1]),
        cpu_waiting_seconds=values.get(_WAITING.format("cpu")),
        memory_waiting_seconds=values.get(_WAITING.format("memory")),
        io_waiting_seconds=values.get(_WAITING.format("io")),
    )


def with_anomaly(summary: TraceSummary, anomaly: Anomaly | None) -> TraceSummary:
    """The summary with what the scorer told of the run's newest window; as it is without that."""
    if anomaly is None:
        return summary
    return replace(
        summary,
        anomaly_score=anomaly.score,
        anomaly_p=anomaly.p,
        anomaly_model=anomaly.model,
    )
