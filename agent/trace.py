"""What is measured of one job while its cgroup lives: the newest values, and a ring of the past."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from . import measures, parsers
from .cgroups import Sighting
from .files import Descriptors, Gone, KernelFile
from .measures import Measure
from .oom import OomKillsV1
from .ring import Ring
from .threads import Surroundings

_UNKNOWN_SURROUNDINGS = Surroundings()

# Columns of a row of the ring. NaN where the kernel does not tell.
TIME, CPU, CPU_USER, CPU_WAITING, MEMORY_WAITING, IO_WAITING = range(6)
AROUND_COMPUTING, AROUND_BLOCKED = range(6, 8)  # of all on the node: threads.Surroundings
COLUMNS = 8

IDLE_SHARE = 0.01  # of a core; a sample with less CPU time shows no progress
BUSY_SAMPLES = 5  # steps over which use of the CPU is averaged to call a job busy
SLOW_SECONDS = 0.9  # memory and limits are read at most this often: half of a sample's cost


@dataclass
class Memory:
    """The newest memory values in bytes; None where the kernel does not tell, or has no limit."""

    current: int | None = None
    stat: parsers.MemoryStat | None = None
    swap: int | None = None
    peak: int | None = None
    limit: int | None = None
    oom: parsers.Oom | None = None
    highest: int | None = None  # of the sampled ``current``

    @property
    def working_set(self) -> int | None:
        """Current less inactive file, never negative."""
        if self.current is None or self.stat is None:
            return None
        return max(self.current - self.stat.inactive_file, 0)


class JobTrace:
    """One job being measured. Times are monotonic seconds; ``started`` is also told as epoch."""

    def __init__(self, rows: int, kept: Descriptors, epoch: float) -> None:
        """Room for ``rows`` samples, with descriptors out of ``kept``; first seen at ``epoch``."""
        self.ring = Ring("d", COLUMNS, rows)
        self.started_epoch = epoch
        self.ended_epoch = epoch  # of the last sample
        self.samples = 0
        self.busiest_share = 0.0  # of a core, over BUSY_SAMPLES
        self.cgroup = ""
        self.memory = Memory()
        self.cpu = Measure(measures.CPU, kept)
        self.cpu_pressure = Measure(measures.CPU_PRESSURE, kept)
        self.memory_pressure = Measure(measures.MEMORY_PRESSURE, kept)
        self.io_pressure = Measure(measures.IO_PRESSURE, kept)
        self.throttled_v1 = Measure(measures.THROTTLED_V1)
        self.cpus = Measure(measures.CPUSET)
        self.io = Measure(measures.IO)
        self._current = Measure(measures.MEMORY_CURRENT)
        self._stat = Measure(measures.MEMORY_STAT)
        self._swap = Measure(measures.MEMORY_SWAP)
        self._peak = Measure(measures.MEMORY_PEAK)
        self._limit = Measure(measures.MEMORY_LIMIT)
        self._oom = Measure(measures.OOM)
        self._oom_v1 = OomKillsV1()
        self._directories: Mapping[str, str] = {}
        self._slow_at = -math.inf
        self._progress_at = math.nan

    @property
    def directories(self) -> Mapping[str, str]:
        """The job's directories by controller, as last seen."""
        return self._directories

    def attach(self, sighting: Sighting) -> None:
        """Measure from these directories; they may come one by one, and go likewise."""
        self.cgroup = self.cgroup or sighting.cgroup
        self._directories = sighting.directories
        for measure in self._measures():
            measure.attach(sighting.directories)

    def replaced_by(self, sighting: Sighting) -> bool:
        """Was a directory removed and made anew? Then ``sighting`` is another run's."""
        return any(measure.lost in sighting.directories for measure in self._measures())

    def sample(
        self, now: float, epoch: float, surroundings: Surroundings = _UNKNOWN_SURROUNDINGS
    ) -> None:
        """Read everything that is due and remember it under the time ``now``."""
        cpu = self.cpu.read()
        row = (
            now,
            math.nan if cpu is None else cpu.user + cpu.system,
            math.nan if cpu is None else cpu.user,
            _some(self.cpu_pressure.read()),
            _some(self.memory_pressure.read()),
            _some(self.io_pressure.read()),
            *surroundings,
        )
        self._follow_progress(now, row[CPU])
        self.ring.push(row)
        self._follow_busiest()
        if now - self._slow_at >= SLOW_SECONDS:
            self._slow_at = now
            self._sample_slowly()
        self.samples += 1
        self.ended_epoch = epoch

    def _sample_slowly(self) -> None:
        memory = self.memory
        memory.current, memory.stat = self._current.read(), self._stat.read()
        memory.peak, memory.limit = self._peak.read(), self._limit.read()
        memory.swap = memory.stat.swap if memory.stat and memory.stat.swap is not None else None
        if memory.swap is None:
            memory.swap = self._swap.read()
        if memory.current is not None:
            memory.highest = max(memory.highest or 0, memory.current)
        memory.oom = self._oom.read()
        if memory.oom is None and "memory" in self._directories:
            kills = self._oom_v1.read(self._directories["memory"])
            memory.oom = None if kills is None else parsers.Oom(None, kills)
        for measure in (self.throttled_v1, self.cpus, self.io):
            measure.read()

    def _follow_progress(self, now: float, cpu_seconds: float) -> None:
        if not len(self.ring):
            self._progress_at = now
            return
        last = self.ring.row(-1)
        # Written so that a sample without a CPU reading counts as progress, not as idleness.
        if not cpu_seconds - last[CPU] < IDLE_SHARE * (now - last[TIME]):
            self._progress_at = now

    def _follow_busiest(self) -> None:
        if len(self.ring) <= BUSY_SAMPLES:
            return
        before, last = self.ring.row(-1 - BUSY_SAMPLES), self.ring.row(-1)
        share = (last[CPU] - before[CPU]) / (last[TIME] - before[TIME])
        if share > self.busiest_share:  # NaN is not
            self.busiest_share = share

    @property
    def idle_seconds(self) -> float | None:
        """Seconds up to the last sample without CPU progress; None where CPU is not measured."""
        if self.cpu.value is None or not len(self.ring):
            return None
        return float(self.ring.row(-1)[TIME] - self._progress_at)

    def has_processes(self) -> bool:
        """Does any process live in the job's cgroups? True where that cannot be told."""
        return self.processes() != 0

    def processes(self) -> int | None:
        """Processes in the job's cgroups, counted now; None where that cannot be told."""
        for directory in self._directories.values():
            try:
                return sum(
                    KernelFile(os.path.join(cgroup, "cgroup.procs")).read().count(b"\n")
                    for cgroup, _, _ in os.walk(directory)
                )
            except (OSError, Gone):
                continue
        return None

    def close(self) -> None:
        """Give all descriptors back; the values stay."""
        for measure in self._measures():
            measure.close()

    def _measures(self) -> tuple[Measure[object], ...]:
        return tuple(value for value in vars(self).values() if isinstance(value, Measure))


def _some(pressure: parsers.Pressure | None) -> float:
    return math.nan if pressure is None else pressure.some
