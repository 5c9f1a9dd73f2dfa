"""Windows of trace rebuilt from an agent's series, as the agent cuts them from its rings.

The same features in the same order: what a hardware thread did as shares of the step, what the job
did a second (and CPU), all from differences of counters. A step is the time between two scrapes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...jobs.identity import Run
from ...jobs.windows import FEATURES, TraceWindow

Numbers = NDArray[np.float64]

THREADS = "jobmend_thread_cpu_seconds_total"
CLAIMS = "jobmend_thread_job_info"
LAST_SEEN = "jobmend_job_last_seen_timestamp_seconds"
CPUS = "jobmend_job_cpus"
COMPUTED = ("jobmend_job_cpu_user_seconds_total", "jobmend_job_cpu_system_seconds_total")
PRESSURES = (
    "jobmend_job_pressure_cpu_waiting_seconds_total",
    "jobmend_job_pressure_memory_waiting_seconds_total",
    "jobmend_job_pressure_io_waiting_seconds_total",
)
NAMES = (THREADS, CLAIMS, LAST_SEEN, CPUS, *COMPUTED, *PRESSURES)
MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_CONFINED = ("exclusive", "shared")  # ownerships that a cpuset tells
_DIGITS = 9  # differences of counters are sums of nanoseconds at the finest: the rest is rounding

Identity = tuple[str, str, str, str, str]
_IDENTITY = ("scheduler", "jobid", "run", "node", "slot")


@dataclass(frozen=True)
class Gridded:
    """One series at the points of a grid; NaN where it was absent."""

    labels: Mapping[str, str]
    values: Numbers


@dataclass(frozen=True)
class Grid:
    """When the counters of one agent were looked at: ``steps + 1`` points, one interval apart.

    ``start`` is what the windows are to be called by; the first point is less than one interval
    later, between two scrapes.
    """

    instance: str
    start: float
    first: float
    interval: float
    steps: int

    @property
    def times(self) -> Numbers:
        """The points, epoch seconds."""
        return self.first + self.interval * np.arange(self.steps + 1, dtype=np.float64)


@dataclass
class _Node:
    """The series of one agent, sorted by what they tell."""

    modes: dict[int, dict[str, Numbers]] = field(default_factory=dict)
    claims: dict[Identity, dict[int, str]] = field(default_factory=dict)  # at the last point
    jobs: dict[Identity, dict[str, Numbers]] = field(default_factory=dict)


def rebuild(
    series: Iterable[Gridded], grid: Grid, clusters: Mapping[str, str]
) -> list[TraceWindow]:
    """A window of each run that was there at all points, as far as it owned threads at the last.

    ``clusters``: the cluster of each scheduler, which agents do not tell; a label ``cluster`` of
    the series goes before it.
    """
    node, named = _sorted_out(series, clusters)
    ticked = {
        cpu: _increments(modes)
        for cpu, modes in sorted(node.modes.items())
        if modes.keys() >= set(MODES)
    }
    if not ticked or not grid.steps:
        return []
    seconds = _seconds(ticked.values(), grid)
    here = _here(node, grid)
    shares = {cpu: _shares(spent) for cpu, spent in ticked.items()}
    windows = []
    for job in sorted(here & named.keys()):
        chosen = _chosen(node.claims.get(job, {}), ticked, named[job].key, len(here))
        told = node.jobs[job]
        if not chosen or any(np.isnan(told[name]).any() for name in COMPUTED):
            continue
        features = _job_features(told, seconds, len(ticked))
        windows.append(_window(grid, job, chosen, shares, features))
    return windows


def _sorted_out(
    series: Iterable[Gridded], clusters: Mapping[str, str]
) -> tuple[_Node, dict[Identity, Run]]:
    node, named = _Node(), dict[Identity, Run]()
    for one in series:
        name, labels = one.labels.get("__name__"), one.labels
        cpu = _number(labels.get("cpu", ""))
        if name == THREADS:
            if cpu is not None:
                node.modes.setdefault(cpu, {})[labels.get("mode", "")] = one.values
            continue
        scheduler, job_id, run, *_ = job = _identity(labels)
        cluster = labels.get("cluster") or clusters.get(scheduler, "")
        if cluster and scheduler and job_id and run:
            named[job] = Run(cluster, scheduler, job_id, run)
        if name == CLAIMS:
            if cpu is not None and not np.isnan(one.values[-1]):
                node.claims.setdefault(job, {})[cpu] = labels.get("ownership", "")
        elif name in NAMES:
            node.jobs.setdefault(job, {})[str(name)] = one.values
    return node, named


def _number(cpu: str) -> int | None:
    return int(cpu) if cpu.isdecimal() and len(cpu) < 9 else None


def _identity(labels: Mapping[str, str]) -> Identity:
    scheduler, job_id, run, node, slot = (labels.get(name, "") for name in _IDENTITY)
    return scheduler, job_id, run, node, slot


def _here(node: _Node, grid: Grid) -> set[Identity]:
    """The jobs that were being sampled at the last point: those that ended stay for a while."""
    oldest = grid.times[-1] - 2 * grid.interval
    return {
        job
        for job, told in node.jobs.items()
        if all(name in told for name in COMPUTED) and told.get(LAST_SEEN, [0.0])[-1] >= oldest
    }


def _chosen(
    own: Mapping[int, str], online: Iterable[int], key: str, jobs_here: int
) -> dict[int, str | None]:
    """The threads of a run's window and their owners, by the agent's rule (agent/windows.py)."""
    confined = any(ownership in _CONFINED for ownership in own.values())
    if jobs_here == 1:
        return {cpu: key for cpu in online if cpu in own or not confined}
    chosen = {cpu: key if own[cpu] == "exclusive" else None for cpu in online if cpu in own}
    return chosen if any(chosen.values()) else {}


def _increments(told: Mapping[str, Numbers]) -> Numbers:
    """``[modes, steps]``: how far each counter went up, 0 where it went down; NaN where absent.

    The kernel's iowait may run backwards (proc_stat(5)).
    """
    counters = np.stack([told[mode] for mode in MODES])
    return np.maximum(np.round(np.diff(counters, axis=1), _DIGITS), 0)


def _seconds(ticked: Iterable[Numbers], grid: Grid) -> Numbers:
    """``[steps]``: the time each step's differences are of; NaN where nothing was scraped in it.

    Where no thread went on, the point shows the scrape before: the next step has the time of both.
    """
    seconds, waited = np.full(grid.steps, np.nan), 1
    moved = np.nansum([np.nansum(spent, axis=0) for spent in ticked], axis=0) > 0
    for step in range(grid.steps):
        if moved[step]:
            seconds[step], waited = waited * grid.interval, 1
        else:
            waited += 1
    return seconds


def _shares(spent: Numbers) -> Numbers:
    """``[steps, 6]``: the features of a thread; NaN where no tick passed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        user, nice, system, _, iowait, irq, softirq, steal = spent / spent.sum(axis=0)
    return np.stack([user, nice, system, iowait, irq + softirq, steal], axis=1)


def _job_features(told: Mapping[str, Numbers], seconds: Numbers, online: int) -> Numbers:
    """``[steps, 4]``: CPU seconds per second and CPU, and the three pressures."""
    cpus = told[CPUS][-1] if CPUS in told and told[CPUS][-1] > 0 else online
    absent = np.full(len(seconds) + 1, np.nan)
    counters = [*(told[name] for name in COMPUTED), *(told.get(name, absent) for name in PRESSURES)]
    spent = np.maximum(np.round(np.diff(np.stack(counters), axis=1), _DIGITS), 0) / seconds
    return np.stack([(spent[0] + spent[1]) / cpus, *spent[2:]], axis=1)


def _window(
    grid: Grid,
    job: Identity,
    chosen: Mapping[int, str | None],
    shares: Mapping[int, Numbers],
    of_job: Numbers,
) -> TraceWindow:
    nobody = np.full_like(of_job, np.nan)
    numbers = np.stack(
        [np.hstack([shares[cpu], of_job if owner else nobody]) for cpu, owner in chosen.items()]
    )
    values = array("f")
    values.frombytes(numbers.astype(np.float32).tobytes())
    node = job[_IDENTITY.index("node")] or grid.instance.rpartition(":")[0] or grid.instance
    return TraceWindow(
        node=node.strip("[]"),
        start=grid.start,
        step_seconds=grid.interval,
        threads=tuple(chosen),
        owners=tuple(chosen.values()),
        values=values,
        features=FEATURES,
    )
