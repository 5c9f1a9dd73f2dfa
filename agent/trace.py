"""What is measured of one job while its cgroup lives: the newest values, and a ring of the past."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..plugins.processes import pids_below
from .cgroups import Sighting
from .cpuset import CpusetFiles
from .files import Descriptors, Gone
from .oom import OomKillsV1
from .ownership import Cpuset
from .reading import Reading, refresh
from .ring import Ring
from .sources import (
    COLUMNS,
    CPU_SYSTEM,
    CPU_USER,
    CURRENT,
    OOM,
    PEAK,
    SECONDS,
    SOURCES,
    STAT,
    WHOLE,
)

IDLE_SHARE = 0.01  # of a core; a sample with less CPU time shows no progress
BUSY_SAMPLES = 5  # steps over which use of the CPU is averaged to call a job busy
_SETTLED = 10  # samples after which the cpuset of a job is read with its census alone

WORKING_SET = "jobmend_job_memory_working_set_bytes"
CPUS = "jobmend_job_cpus"
PROCESSES = "jobmend_job_processes"
THREADS = "jobmend_job_threads"
INACTIVE_FILE = STAT[3]

Cells = tuple[tuple[str, int], ...]  # the family of each word of a job, and its power of ten
_SHAPES: dict[Cells, Cells] = {}  # each shape once, so that jobs of one shape share the object


class JobTrace:
    """One job being measured. Times are monotonic seconds; ``started`` is also told as epoch."""

    def __init__(
        self, rows: int, kept: Descriptors, epoch: float, baseline: Mapping[str, int] | None = None
    ) -> None:
        """Room for ``rows`` samples, with descriptors out of ``kept``; first seen at ``epoch``.

        ``baseline``: counters of an earlier job that the kernel left in the same cgroup, by family.
        """
        self.ring = Ring(COLUMNS, rows)
        self.started_epoch = epoch
        self.ended_epoch = epoch  # of the last sample
        self.samples = 0
        self.busiest_share = 0.0  # of a core, over BUSY_SAMPLES
        self.highest_memory: int | None = None  # of the sampled current
        self.cgroup = ""
        self.directories: Mapping[str, str] = {}  # by controller, as last seen
        self.lost = False  # a file was removed under it, since the sampler last looked for jobs
        self._kept = kept
        self._baseline = baseline or {}
        self._fast: list[Reading] = []
        self._slow: list[Reading] = []
        self._cpuset = CpusetFiles(kept)
        self._oom_v1: OomKillsV1 | None = None
        self._places: dict[str, tuple[Reading, int]] = {}  # where the word of a family stands
        self._derived: dict[str, bytes] = {}
        self._shape: tuple[int, ...] = ()  # how many words each file told when cells were made
        self._cells: Cells | None = None
        self._complete = self._closed = False
        self._row = [math.nan] * COLUMNS  # counters as last read, and when they were sampled
        self._pushed = self._row  # as of the last sample
        self._progress_at = math.nan
        self._busy_mark = (math.nan, math.nan)  # CPU seconds and time, some samples ago

    # ---- where it is read from ------------------------------------------------------------------

    def attach(self, sighting: Sighting) -> None:
        """Measure from these directories; they may come one by one, and go likewise."""
        self.cgroup = self.cgroup or sighting.cgroup
        self.directories = sighting.directories
        told = {family for reading in self._readings() for family in reading.families}
        opened = {reading.source for reading in self._readings()}
        for source in SOURCES:
            directory = sighting.directories.get(source.controller)
            if directory is None or source in opened or not told.isdisjoint(source.families[:1]):
                continue
            try:
                reading = Reading(source, directory, self._kept)
            except (OSError, Gone, ValueError):  # not offered here, or gone again
                continue
            (self._fast if source.columns else self._slow).append(reading)
            told.update(reading.families)
            if source.columns:
                reading.put(self._row)
        self._places = {
            family: (reading, index)
            for reading in self._readings()
            for index, family in enumerate(reading.source.families)
        }
        self._cpuset.attach(sighting.directories)
        if self._oom_v1 is None and "memory" in sighting.directories:
            self._oom_v1 = OomKillsV1(sighting.directories["memory"], self._kept)
        self._cells = None

    def attach_more(self) -> None:
        """Look once more for files that were not there at first: controllers may come late."""
        if not self._complete:
            self._complete = True
            self.attach(Sighting(self.cgroup, dict(self.directories)))

    def replaced_by(self, sighting: Sighting) -> bool:
        """Was a directory removed and made anew? Then ``sighting`` is another run's."""
        return any(
            reading.gone and reading.source.controller in sighting.directories
            for reading in self._readings()
        )

    def _readings(self) -> list[Reading]:
        return self._fast + self._slow

    # ---- sampling -------------------------------------------------------------------------------

    def sample(self, now: float, epoch: float, *, slow: bool = True) -> None:
        """Read what is due and remember it under the time ``now``; ``slow``: everything is due."""
        row, before = self._row, self._pushed
        if refresh(self._fast, row):
            self.lost = True
        row[SECONDS] = now
        if self.samples:
            step = [new - old for new, old in zip(row, before)]
            self.ring.push(step)
            # Written so that a step without a CPU reading counts as progress, not as idleness.
            if not step[CPU_USER] + step[CPU_SYSTEM] < IDLE_SHARE * step[SECONDS]:
                self._progress_at = now
        else:
            self._progress_at = now
        self._pushed = row.copy()
        if self.samples % BUSY_SAMPLES == 0:
            self._follow_busiest()
        self.samples += 1
        self.ended_epoch = epoch
        if slow:
            self._sample_slowly()

    def flush(self, now: float, epoch: float) -> None:
        """Read all once more between two samples, for the numbers alone; the ring stays."""
        if self._closed:
            return
        before = self._row[CPU_USER] + self._row[CPU_SYSTEM]
        if refresh(self._fast, self._row):
            self.lost = True
        if self._row[CPU_USER] + self._row[CPU_SYSTEM] > before:
            self._progress_at = now
        self.ended_epoch = epoch
        self._sample_slowly()

    def _sample_slowly(self) -> None:
        if refresh(self._slow):
            self.lost = True
        if self.samples < _SETTLED:
            self._read_cpuset()
        if PEAK not in self._places:
            self._follow_memory()
        if self._oom_v1 is not None:
            kills = self._oom_v1.read()
            if kills is not None:
                self._derive(OOM[1], kills)

    def _read_cpuset(self) -> None:
        if self._cpuset.read() and self.cpuset is not None:
            self._derive(CPUS, len(self.cpuset.effective))

    def _follow_memory(self) -> None:
        """Where the kernel keeps no peak, the highest that was sampled is kept."""
        current = self._word(CURRENT)
        if current is not None:
            self.highest_memory = max(self.highest_memory or 0, int(current))

    def _follow_busiest(self) -> None:
        """How many cores it used over the last BUSY_SAMPLES steps; looked at once in so many."""
        spent, at = self._row[CPU_USER] + self._row[CPU_SYSTEM], self._row[SECONDS]
        spent_before, before = self._busy_mark
        if at > before:  # NaN is not
            share = (spent - spent_before) / (at - before)
            self.busiest_share = max(self.busiest_share, share)  # NaN is not more
        self._busy_mark = (spent, at)

    def count(self, processes: int | None, threads: int | None) -> None:
        """Take over what a census found; a thread count of the kernel's own goes before it."""
        self._read_cpuset()
        if processes is not None:
            self._derive(PROCESSES, processes)
        if threads is not None and self._word(THREADS) is None:
            self._derive(THREADS, threads)

    def _derive(self, family: str, value: int) -> None:
        if family not in self._derived:
            self._cells = None
        self._derived[family] = b"%d" % value

    # ---- what is known of it --------------------------------------------------------------------

    @property
    def cells(self) -> Cells:
        """The family of each word of :meth:`words`, and the power of ten of its unit."""
        shape = tuple(len(reading.words) for reading in self._readings())
        if shape != self._shape or self._cells is None:
            cells = [
                (family, reading.source.exponent)
                for reading in self._readings()
                for family in reading.families
            ]
            if self._working_set() is not None:
                cells.append((WORKING_SET, WHOLE))
            found = (*cells, *((family, WHOLE) for family in self._derived))
            self._shape, self._cells = shape, _SHAPES.setdefault(found, found)
        return self._cells

    def words(self) -> list[bytes]:
        """The newest numbers as the kernel's own digits, in the order of :attr:`cells`."""
        words: list[bytes] = []
        for reading in self._fast:
            words += reading.words
        for reading in self._slow:
            words += reading.words
        working_set = self._working_set()
        if working_set is not None:
            words.append(b"%d" % working_set)
        words += self._derived.values()
        if self._baseline:
            for place, (family, _) in enumerate(self.cells):
                if family in self._baseline:
                    words[place] = b"%d" % max(int(words[place]) - self._baseline[family], 0)
        return words

    def _working_set(self) -> int | None:
        current, inactive = self._word(CURRENT), self._word(INACTIVE_FILE)
        return None if current is None or inactive is None else max(int(current) - int(inactive), 0)

    def values(self) -> dict[str, float]:
        """The newest numbers in base units (seconds, bytes), by family."""
        return {
            family: int(word) / 10**-exponent if exponent else int(word)
            for (family, exponent), word in zip(self.cells, self.words())
        }

    def counters(self) -> dict[str, int]:
        """The kernel's own counters now, in its units: the baseline of a next job in the cgroup.

        Of files that were removed there are none: where they were made anew, they begin at 0.
        """
        return {
            family: int(word)
            for reading in self._readings()
            for family, word in zip(reading.families, reading.words)
            if family.endswith("_total") and not reading.gone
        }

    def _word(self, family: str) -> bytes | None:
        """The newest digits of one family; None where no file tells it."""
        reading, index = self._places.get(family, (None, 0))
        return reading.words[index] if reading and index < len(reading.words) else None

    @property
    def cpuset(self) -> Cpuset | None:
        """The threads it may run on; None where no cpuset tells."""
        return self._cpuset.value

    @property
    def memory_peak(self) -> int | None:
        """Bytes; the kernel's own, or where it keeps none the highest that was sampled."""
        word = self._word(PEAK)
        return self.highest_memory if word is None else int(word)

    @property
    def sampled_at(self) -> float:
        """When the last sample was taken; NaN before the first."""
        return self._row[SECONDS]

    @property
    def idle_seconds(self) -> float | None:
        """Seconds up to the last sample without CPU progress; None where CPU is not measured."""
        if math.isnan(self._row[CPU_USER]) or not self.samples:
            return None
        return max(self.sampled_at - self._progress_at, 0.0)

    def has_processes(self) -> bool:
        """Does any process live in the job's cgroups? True where that cannot be told."""
        return self.processes() != 0

    def processes(self) -> int | None:
        """Processes in the job's cgroups, counted now; None where that cannot be told."""
        for directory in self.directories.values():
            pids = pids_below(directory)
            if pids is not None:
                return len(pids)
        return None

    def close(self) -> None:
        """Give all descriptors back; the values stay, and are read no more."""
        self._closed = True
        for reading in self._readings():
            reading.file.close()
        self._cpuset.close()
        if self._oom_v1 is not None:
            self._oom_v1.close()
