"""A workflow's record as a failed task: its failures counted, and what was measured beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ....jobs.events import EventKind, TraceSummary
from ....jobs.records import RunRecord, WorkflowRecord
from ..causes.tally import tally
from ..task import Cell, Decision, FailedTask

NOT_MEASURED = math.nan
SECONDS_AN_HOUR = 3600.0


def task_of(
    record: WorkflowRecord,
    *,
    time: float | None = None,
    decision: Decision | None = None,
    cause: str = "",
) -> FailedTask:
    """The failures of ``record`` by code, site (``cluster/site``) and status, with its features."""
    cluster = record.workflow.cluster
    cells = Counter(
        Cell(run.exit.key, f"{cluster}/{run.facts.site}", run.site_status)
        for run in record.failed
        if run.exit is not None
    )
    return FailedTask(
        f"{cluster}/{record.workflow.name}", cells, told(record), time, decision, cause
    )


def told(record: WorkflowRecord) -> dict[str, float]:
    """The features of :data:`.features.TOLD` that were measured."""
    about = record.failed or record.running or record.runs
    values = {**_shares(record), **_requests(about), **_use(about), **_warnings(record)}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _shares(record: WorkflowRecord) -> dict[str, float]:
    sites = tally(record)
    failed, ended = len(record.failed), sum(site.ended for site in sites)
    all_fail = sum(site.failed == site.ended for site in sites)
    some_fail = sum(0 < site.failed < site.ended for site in sites)
    return {
        "runs": float(len(record.runs)),
        "failed_share": _ratio(failed, ended),
        "sites_all_fail_share": _ratio(all_fail, len(sites)),
        "sites_some_fail_share": _ratio(some_fail, len(sites)),
        "attempts": float(max((run.facts.attempt for run in record.runs), default=0)),
        "tried": float(len(record.tried)),
        "hours_lost": _hours(record.failed),
    }


def _hours(runs: Sequence[RunRecord]) -> float:
    """Hours that ``runs`` took; not measured where none has both its times."""
    spans = [
        run.ended - run.started for run in runs if run.ended is not None and run.started is not None
    ]
    return sum(spans) / SECONDS_AN_HOUR if spans else NOT_MEASURED


def _requests(runs: Sequence[RunRecord]) -> dict[str, float]:
    memory = _largest(run.facts.request.memory_bytes for run in runs)
    walltime = _largest(run.facts.request.walltime_seconds for run in runs)
    return {
        "log2_memory_request": _log2(memory),
        "log2_walltime_request": _log2(walltime),
    }


def _use(runs: Sequence[RunRecord]) -> dict[str, float]:
    def worst(part: Callable[[TraceSummary], float | None]) -> float:
        return _largest(_of_duration(run.trace, part) for run in runs)

    return {
        "memory_peak_share": _largest(_peak_share(run.trace) for run in runs),
        "cpu_busy_share": worst(lambda trace: trace.cpu_seconds),
        "idle_tail_share": worst(lambda trace: trace.cpu_idle_tail_seconds),
        "cpu_waiting_share": worst(lambda trace: trace.cpu_waiting_seconds),
        "memory_waiting_share": worst(lambda trace: trace.memory_waiting_seconds),
        "io_waiting_share": worst(lambda trace: trace.io_waiting_seconds),
    }


def _warnings(record: WorkflowRecord) -> dict[str, float]:
    odd = [run.anomaly_p for run in record.runs if run.anomaly_p is not None]
    return {
        "stalled_runs": float(sum(EventKind.STALL in run.warnings for run in record.running)),
        "contended_runs": float(
            sum(EventKind.CONTENTION in run.warnings for run in record.running)
        ),
        "anomaly_p": min(odd, default=NOT_MEASURED),
    }


def _of_duration(
    trace: TraceSummary | None, part: Callable[[TraceSummary], float | None]
) -> float | None:
    if trace is None or trace.duration_seconds <= 0:
        return None
    seconds = part(trace)
    return None if seconds is None else seconds / trace.duration_seconds


def _peak_share(trace: TraceSummary | None) -> float | None:
    if trace is None or trace.memory_peak_bytes is None or not trace.memory_limit_bytes:
        return None
    return trace.memory_peak_bytes / trace.memory_limit_bytes


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _largest(values: Iterable[float | None]) -> float:
    return max((float(value) for value in values if value is not None), default=NOT_MEASURED)


def _log2(value: float) -> float:
    return math.log2(value) if value >= 1 else (0.0 if value >= 0 else NOT_MEASURED)
