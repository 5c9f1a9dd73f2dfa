"""The hardware threads: what each did (/proc/stat), and whose job ran there (cpusets)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..plugins.layout import JobPath
from .files import Descriptors, KernelFile
from .parsers import MODES, Threads, proc_stat, seconds
from .ring import Ring

# Time that programs take, here or in other virtual machines. What the kernel does is left out: a
# job's own synced writes make kernel threads and interrupts busy on its threads.
_COMPUTING = tuple(MODES.index(mode) for mode in ("user", "nice", "steal"))


class Surroundings(NamedTuple):
    """What everybody did where a job runs, in seconds that only grow; NaN where not known."""

    computing: float = float("nan")  # user time of all on the threads the job may use
    blocked: float = float("nan")  # waiting for I/O of all tasks of the node, summed over tasks


class ThreadTrace:
    """The newest counters of all threads and a ring of the past: time, then MODES of each."""

    def __init__(self, proc_root: str, rows: int, kept: Descriptors) -> None:
        """Read ``stat`` below ``proc_root`` and keep ``rows`` samples of it."""
        self._path = os.path.join(proc_root, "stat")
        self._kept = kept
        self._rows = rows
        self._file: KernelFile | None = None
        self.latest: Threads | None = None
        self.ring: Ring | None = None
        self._sampled_at: float | None = None
        self._blocked_seconds = 0.0
        self._computing: dict[int, int] = {}  # ticks of each thread, summed once for all jobs

    def sample(self, now: float) -> None:
        """Read the counters under the time ``now``; OSError or ValueError where that fails.

        A thread that goes on- or offline starts the ring anew.
        """
        if self._file is None:
            self._file = KernelFile(self._path, self._kept)
        threads = proc_stat(self._file.read())
        if self.ring is None or self.latest is None or self.latest.cpus != threads.cpus:
            self.ring = Ring("d", 1 + len(threads.cpus) * len(MODES), self._rows)
        if self._sampled_at is not None:
            self._blocked_seconds += threads.blocked * (now - self._sampled_at)
        self._sampled_at = now
        self.latest = threads
        modes = [threads.ticks[mode :: len(MODES)] for mode in _COMPUTING]
        self._computing = dict(zip(threads.cpus, map(sum, zip(*modes))))
        self.ring.push([now, *threads.ticks])

    def surroundings(self, cpus: tuple[int, ...] | None) -> Surroundings:
        """What everybody did on ``cpus``; None: the job may run on every thread."""
        if self.latest is None:
            return Surroundings()
        ticks = self._computing
        computing = sum(ticks.values() if cpus is None else (ticks.get(cpu, 0) for cpu in cpus))
        return Surroundings(seconds(computing), self._blocked_seconds)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True)
class Ownership:
    """The jobs that may run on one thread; ``exclusive`` when it is certainly one alone."""

    jobs: tuple[JobPath, ...]
    exclusive: bool


def owners(cpusets: Mapping[JobPath, tuple[int, ...] | None]) -> dict[int, Ownership]:
    """Whose cpuset holds each thread; a thread in none is left out.

    None as a cpuset is "not told": such a job may run anywhere, so nothing is exclusive then.
    """
    jobs: dict[int, list[JobPath]] = {}
    for job, cpus in cpusets.items():
        for cpu in cpus or ():
            jobs.setdefault(cpu, []).append(job)
    all_told = None not in cpusets.values()
    return {
        cpu: Ownership(tuple(here), all_told and len(here) == 1)
        for cpu, here in sorted(jobs.items())
    }
