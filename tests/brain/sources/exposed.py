"""An agent's counters as a server would have scraped them, and the windows that they are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jobmend.brain.sources.rebuilding import COMPUTED, MODES, PRESSURES
from jobmend.jobs.windows import TraceWindow

INSTANCE = "node1.example:9807"
HERTZ = 100
CLUSTERS = {"slurm": "c1"}


@dataclass(frozen=True)
class Told:
    """One series: its labels, and its values as the page has them, one a scrape; "" is absent."""

    name: str
    labels: dict[str, str]
    values: list[str]


@dataclass
class Exposed:
    """One agent for ``steps + 1`` scrapes; ``owners`` has a job id for each hardware thread."""

    start: float
    interval: float
    steps: int
    owners: tuple[str | None, ...]
    series: list[Told] = field(default_factory=list)
    windows: list[TraceWindow] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        ticks = int(HERTZ * self.interval)
        shape = (len(self.owners), self.steps)
        spent = rng.multinomial(ticks, [0.4, 0.05, 0.1, 0.25, 0.1, 0.02, 0.05, 0.03], shape)
        for cpu, of_cpu in enumerate(spent):
            for mode, number in zip(MODES, counted(of_cpu.T, 123456), strict=True):
                labels = {"cpu": str(cpu), "mode": mode}
                told = [f"{value}e-2" for value in number]
                self.series.append(Told("jobmend_thread_cpu_seconds_total", labels, told))
        self._tell("jobmend_build_info", {"version": "1"}, "1")
        shares = spent / spent.sum(axis=-1, keepdims=True)
        for job in sorted({owner for owner in self.owners if owner}):
            self._add_job(job, shares, rng)

    def _add_job(self, job: str, shares: NDArray[np.float64], rng: np.random.Generator) -> None:
        who = {"scheduler": "slurm", "jobid": job, "run": "0"}
        own = [cpu for cpu, owner in enumerate(self.owners) if owner == job]
        for cpu in own:
            claim = {**who, "cpu": str(cpu), "ownership": "exclusive"}
            self._tell("jobmend_thread_job_info", claim, "1")
        self._tell("jobmend_job_cpus", who, str(len(own)))
        seen = [f"{time:.3f}" for time in self.times]
        self.series.append(Told("jobmend_job_last_seen_timestamp_seconds", who, seen))
        most = int(self.interval * 1e6)
        spent = rng.integers(0, most, (5, self.steps))
        names = (*COMPUTED, *PRESSURES)
        for name, number in zip(names, counted(spent, 987654321), strict=True):
            self.series.append(Told(name, who, [f"{value}e-6" for value in number]))
        seconds = spent / 1e6 / self.interval
        of_job = np.stack([(seconds[0] + seconds[1]) / len(own), *seconds[2:]], axis=-1)
        user, nice, system, _, iowait, irq, softirq, steal = np.moveaxis(shares[own], -1, 0)
        of_threads = np.stack([user, nice, system, iowait, irq + softirq, steal], axis=-1)
        both = np.concatenate([of_threads, np.broadcast_to(of_job, (len(own), *of_job.shape))], -1)
        values = array("f", both.astype(np.float32).tobytes())
        owners = (f"c1/slurm/{job}/0",) * len(own)
        node = INSTANCE.partition(":")[0]
        window = TraceWindow(node, self.start, self.interval, tuple(own), owners, values)
        self.windows.append(window)

    def _tell(self, name: str, labels: dict[str, str], value: str) -> None:
        self.series.append(Told(name, labels, [value] * (self.steps + 1)))

    @property
    def times(self) -> NDArray[np.float64]:
        """When it was scraped: a few milliseconds early or late."""
        jitter = np.random.default_rng(2).integers(-3, 4, self.steps + 1) / 1000
        times: NDArray[np.float64] = (
            self.start + self.interval * (0.4 + np.arange(self.steps + 1)) + jitter
        )
        return times.round(3)

    def lines(self, scale: int) -> Iterator[str]:
        """The samples as text; times times ``scale`` (1000: milliseconds)."""
        times = [f"{time:.3f}" if scale == 1 else f"{time * scale:.0f}" for time in self.times]
        for one in sorted(self.series, key=lambda one: one.name):
            labels = {**one.labels, "instance": INSTANCE}
            named = one.name + "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"
            for value, time in zip(one.values, times, strict=True):
                if value:
                    yield f"{named} {value} {time}\n"

    def openmetrics(self) -> str:
        """What promtool makes blocks of."""
        return "".join([*self.lines(1), "# EOF\n"])


def counted(spent: NDArray[np.int64], before: int) -> NDArray[np.int64]:
    """Counters out of their increments: one value more."""
    first = np.full((*spent.shape[:-1], 1), before)
    return np.cumsum(np.concatenate([first, spent], axis=-1), axis=-1)
