"""What is told of a workflow beside its failure matrix: counts, requests, use and pressure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ...jobs.events import EventKind, TraceSummary
from ...jobs.identity import SiteStatus
from ...jobs.records import RunRecord, WorkflowRecord
from .tally import tally

FEATURES = (
    "runs",
    "failed_share",
    "dominant_code_share",
    "sites",
    "sites_all_fail_share",
    "sites_some_fail_share",
    "failed_at_bad_status_share",
    "attempts",
    "tried",
    "log2_memory_request",
    "log2_walltime_request",
    "memory_peak_share",
    "cpu_busy_share",
    "idle_tail_share",
    "cpu_waiting_share",
    "memory_waiting_share",
    "io_waiting_share",
    "stalled_runs",
    "contended_runs",
    "anomaly_p",
)
NOT_MEASURED = math.nan
_LARGEST = 1e6


def features(record: WorkflowRecord) -> dict[str, float]:
    """The features by name, none negative; NaN where nothing was measured."""
    about = record.failed or record.running or record.runs
    return {**_shares(record), **_requests(about), **_use(about), **_warnings(record)}


def encode(records: Sequence[WorkflowRecord]) -> csr_matrix:
    """``[workflows, features]`` as float32 CSR: 1 + value where measured, absent where not.

    The shift keeps a measured 0 apart from an absent cell.
    """
    rows = [list(map(features(record).__getitem__, FEATURES)) for record in records]
    values: NDArray[np.float32] = np.array(rows, dtype=np.float32).reshape(-1, len(FEATURES))
    shifted = 1.0 + np.clip(values, 0.0, _LARGEST)
    return csr_matrix(np.where(np.isnan(values), np.float32(0.0), shifted).astype(np.float32))


def _shares(record: WorkflowRecord) -> dict[str, float]:
    sites = tally(record)
    failed, ended = len(record.failed), sum(site.ended for site in sites)
    codes = Counter(run.exit.key for run in record.failed if run.exit is not None)
    all_fail = sum(site.failed == site.ended for site in sites)
    some_fail = sum(0 < site.failed < site.ended for site in sites)
    at_bad = sum(run.site_status is SiteStatus.BAD for run in record.failed)
    return {
        "runs": float(len(record.runs)),
        "failed_share": _ratio(failed, ended),
        "dominant_code_share": _ratio(max(codes.values(), default=0), failed),
        "sites": float(len(sites)),
        "sites_all_fail_share": _ratio(all_fail, len(sites)),
        "sites_some_fail_share": _ratio(some_fail, len(sites)),
        "failed_at_bad_status_share": _ratio(at_bad, failed),
        "attempts": float(max((run.facts.attempt for run in record.runs), default=0)),
        "tried": float(len(record.tried)),
    }


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
