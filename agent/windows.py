"""Cutting a window of trace for one run out of the rings of its job and of the threads."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from ..jobs.identity import Run
from ..jobs.windows import FEATURES, TraceWindow
from ..plugins.layout import JobPath
from .ownership import EXCLUSIVE, Claim
from .parsers import MODES, STAT_WORDS, stat_cpus
from .sources import CPU_SYSTEM, CPU_USER, CPU_WAITING, IO_WAITING, MEMORY_WAITING, SECONDS
from .threads import ThreadTrace
from .trace import JobTrace

_THREAD_FEATURES = 6  # the first of FEATURES come from /proc/stat, the rest from the job
_NAN = math.nan
_OF_NOBODY = [_NAN] * (len(FEATURES) - _THREAD_FEATURES)


def choose_threads(
    job: JobPath,
    run: Run,
    online: Sequence[int],
    claims: Mapping[int, tuple[Claim, ...]],
    jobs_here: int,
) -> dict[int, str | None]:
    """The threads of a run's window and their owners: its own, and those it shares (None).

    The only job on a node owns the threads of its cpuset, or all where it has none. Empty where the
    run owns no thread: nobody could tell whose window it is.
    """
    own = [cpu for cpu in online if any(claim.job == job for claim in claims.get(cpu, ()))]
    if jobs_here == 1:
        confined = any(claim.cpuset for cpu in own for claim in claims[cpu])
        return dict.fromkeys(own if confined else online, run.key)
    chosen = {cpu: run.key if claims[cpu][0].method == EXCLUSIVE else None for cpu in own}
    return chosen if any(chosen.values()) else {}


def cut(
    node: str, trace: JobTrace, threads: ThreadTrace, chosen: Mapping[int, str | None], steps: int
) -> TraceWindow | None:
    """The last ``steps`` steps of a run on the threads chosen; None where there are not so many."""
    rows = trace.ring.rows(steps)
    if not chosen or len(rows) < steps:
        return None
    past = threads.past(_times(rows, trace.sampled_at))
    places = [_places(words) for words in past]
    cpus = trace.cpuset.effective if trace.cpuset else threads.online
    job_features = _job_features(rows, len(cpus))
    nobody = [_OF_NOBODY] * steps
    values = array("f")
    for cpu, owner in chosen.items():
        ticks = [_ticks(words, place.get(cpu)) for words, place in zip(past, places)]
        for step, of_job in enumerate(job_features if owner else nobody):
            values.extend(_thread_features(ticks[step], ticks[step + 1]))
            values.extend(of_job)
    seconds = sum(row[SECONDS] for row in rows)
    return TraceWindow(
        node=node,
        start=trace.ended_epoch - seconds,
        step_seconds=seconds / steps,
        threads=tuple(chosen),
        owners=tuple(chosen.values()),
        values=values,
    )


def _times(rows: Sequence[Sequence[float]], last: float) -> list[float]:
    """When the samples were taken that ``rows`` lie between; the newest at ``last``."""
    times = [last]
    for row in reversed(rows):
        times.append(times[-1] - row[SECONDS])
    return times[::-1]


def _places(words: list[bytes] | None) -> dict[int, int]:
    """Where the modes of each thread begin among the words of a sample."""
    if words is None:
        return {}
    return {cpu: place * STAT_WORDS + 1 for place, cpu in enumerate(stat_cpus(words))}


def _ticks(words: list[bytes] | None, place: int | None) -> list[int] | None:
    if words is None or place is None:
        return None
    return [int(word) for word in words[place : place + len(MODES)]]


def _thread_features(before: Sequence[int] | None, after: Sequence[int] | None) -> list[float]:
    """Shares of one step; NaN where it was not sampled or no tick passed."""
    if before is None or after is None:
        return [_NAN] * _THREAD_FEATURES
    # iowait may run backwards (proc_stat(5)): that is no time spent.
    spent = [max(new - old, 0) for new, old in zip(after, before)]
    total = sum(spent)
    if not total:
        return [_NAN] * _THREAD_FEATURES
    user, nice, system, _, iowait, irq, softirq, steal = (part / total for part in spent)
    return [user, nice, system, iowait, irq + softirq, steal]


def _job_features(rows: Sequence[Sequence[float]], cpus: int) -> list[list[float]]:
    """CPU seconds per second and CPU, and the three pressures, for each step."""
    features = []
    for row in rows:
        spent = [value / row[SECONDS] for value in row]
        computed = (spent[CPU_USER] + spent[CPU_SYSTEM]) / cpus
        waited = (spent[column] for column in (CPU_WAITING, MEMORY_WAITING, IO_WAITING))
        features.append([computed, *waited])
    return features
