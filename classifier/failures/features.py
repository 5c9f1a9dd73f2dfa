"""The summary block of the failure matrix: a task's failures as a whole, and what is told beside.

What is told beside comes with the task (:mod:`.history.records` says what our own store tells);
what the counts themselves say is worked out here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from ...jobs.identity import SiteStatus
from .task import FailedTask

LARGEST = 1e6

# Worked out of the counts. Entropies in nats.
COUNTED = (
    "log_failures",
    "codes",
    "sites",
    "dominant_code_share",
    "dominant_site_share",
    "code_entropy",
    "site_entropy",
    "failed_at_bad_status_share",
    "failed_at_good_status_share",
    "bad_sites_share",
)
# Told with the task; each may be absent. Shares are of the run's duration where a trace tells.
TOLD = (
    "runs",
    "failed_share",
    "sites_all_fail_share",
    "sites_some_fail_share",
    "attempts",
    "tried",
    "log2_memory_request",
    "log2_walltime_request",
    "hours_lost",
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
FEATURES = COUNTED + TOLD


def features(task: FailedTask) -> list[float]:
    """The values of :data:`FEATURES`, none negative; NaN where nothing was measured."""
    told = task.features
    return _counted(task) + [min(max(told.get(name, math.nan), 0.0), LARGEST) for name in TOLD]


def _counted(task: FailedTask) -> list[float]:
    total = task.failures
    if not total:
        return [math.nan] * len(COUNTED)
    codes: Counter[str] = Counter()
    sites: Counter[str] = Counter()
    statuses: Counter[SiteStatus] = Counter()
    bad_sites = set()
    for cell, count in task.cells.items():
        codes[cell.code] += count
        sites[cell.site] += count
        statuses[cell.status] += count
        if cell.status is SiteStatus.BAD:
            bad_sites.add(cell.site)
    return [
        math.log1p(total),
        float(len(codes)),
        float(len(sites)),
        max(codes.values()) / total,
        max(sites.values()) / total,
        _entropy(codes.values(), total),
        _entropy(sites.values(), total),
        statuses[SiteStatus.BAD] / total,
        statuses[SiteStatus.GOOD] / total,
        len(bad_sites) / len(sites),
    ]


def _entropy(counts: Iterable[int], total: int) -> float:
    shares = (count / total for count in counts)
    return max(0.0, -sum(share * math.log(share) for share in shares))
