"""Cutting a window of trace for one run out of the rings of its job and of the threads."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from ..jobs.identity import Run
from ..jobs.windows import FEATURES, TraceWindow
from ..plugins.layout import JobPath
from .parsers import MODES, Threads
from .ring import Ring
from .threads import Ownership
from .trace import CPU, CPU_WAITING, IO_WAITING, MEMORY_WAITING, TIME, JobTrace

_THREAD_FEATURES = 6  # the first of FEATURES come from /proc/stat, the rest from the job
_NAN = math.nan
_OF_NOBODY = [_NAN] * (len(FEATURES) - _THREAD_FEATURES)


def choose_threads(
    job: JobPath, run: Run, threads: Threads, owners: Mapping[int, Ownership], jobs_here: int
) -> dict[int, str | None]:
    """The threads of a run's window and their owners: its own, and those it shares (None).

    Where no cpuset tells, all threads are those of the only job on the node, and of nobody where
    there are more: the choice is empty then.
    """
    if not owners:
        return dict.fromkeys(threads.cpus, run.key) if jobs_here == 1 else {}
    return {
        cpu: run.key if owners[cpu].exclusive else None
        for cpu in threads.cpus
        if cpu in owners and job in owners[cpu].jobs
    }


def cut(
    node: str,
    trace: JobTrace,
    ring: Ring,
    threads: Threads,
    chosen: Mapping[int, str | None],
    steps: int,
) -> TraceWindow | None:
    """The last ``steps`` steps of a run on the threads chosen; None where there are not so many."""
    rows = trace.ring.rows(steps + 1)
    if not chosen or len(rows) <= steps:
        return None
    by_time = {row[0]: row for row in ring.rows(ring.capacity)}
    thread_rows = [by_time.get(row[TIME]) for row in rows]
    job_features = _job_features(rows, len(trace.cpus.value or threads.cpus))
    nobody = [_OF_NOBODY] * steps
    values = array("f")
    for cpu, owner in chosen.items():
        place = 1 + threads.cpus.index(cpu) * len(MODES)
        for step, of_job in enumerate(job_features if owner else nobody):
            values.extend(_thread_features(thread_rows[step], thread_rows[step + 1], place))
            values.extend(of_job)
    seconds = rows[-1][TIME] - rows[0][TIME]
    return TraceWindow(
        node=node,
        start=trace.ended_epoch - seconds,
        step_seconds=seconds / steps,
        threads=tuple(chosen),
        owners=tuple(chosen.values()),
        values=values,
    )


def _thread_features(
    before: Sequence[float] | None, after: Sequence[float] | None, place: int
) -> list[float]:
    """Shares of one step; NaN where it was not sampled or no tick passed."""
    if before is None or after is None:
        return [_NAN] * _THREAD_FEATURES
    # iowait may run backwards (proc_stat(5)): that is no time spent.
    spent = [max(after[place + i] - before[place + i], 0.0) for i in range(len(MODES))]
    total = sum(spent)
    if not total:
        return [_NAN] * _THREAD_FEATURES
    user, nice, system, _, iowait, irq, softirq, steal = (part / total for part in spent)
    return [user, nice, system, iowait, irq + softirq, steal]


def _job_features(rows: Sequence[Sequence[float]], cpus: int) -> list[list[float]]:
    """CPU seconds per second and CPU, and the three pressures, for each step."""
    features = []
    for before, after in zip(rows, rows[1:]):
        seconds = after[TIME] - before[TIME]
        features.append(
            [
                (after[CPU] - before[CPU]) / seconds / cpus,
                (after[CPU_WAITING] - before[CPU_WAITING]) / seconds,
                (after[MEMORY_WAITING] - before[MEMORY_WAITING]) / seconds,
                (after[IO_WAITING] - before[IO_WAITING]) / seconds,
            ]
        )
    return features
