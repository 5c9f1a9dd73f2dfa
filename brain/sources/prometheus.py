"""Windows of trace out of any server that speaks Prometheus' query API, by ``query_range``."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ...jobs.windows import TraceWindow
from ..promql_text import one_of, quoted
from .promql import PromClient, Series
from .rebuilding import NAMES, Grid, Gridded, Numbers, rebuild

STEPS = 32  # of a window, as an agent cuts it
EVERY_SECONDS = 3600.0
STRETCHES = 2000
_ALIVE = "jobmend_build_info"  # one series an agent, on every page
_LOOKS = (120, 1800)  # seconds in which three scrapes are looked for
_FINEST = 0.05  # seconds; nobody scrapes in finer steps


@dataclass(frozen=True)
class Sampling:
    """Which stretches of which agents are read: it is slow, so that not all can be.

    A window of ``steps`` scrapes begins each ``every_seconds``; of more than ``stretches`` (pairs
    of agent and time) that many are drawn, always the same ones.
    """

    steps: int = STEPS
    every_seconds: float = EVERY_SECONDS
    stretches: int = STRETCHES


class PrometheusSource:
    """Windows rebuilt from what was scraped of agents; PromError where the server fails."""

    def __init__(
        self, client: PromClient, clusters: Mapping[str, str], sampling: Sampling | None = None
    ) -> None:
        """``clusters``: the name of the cluster by scheduler, where no label ``cluster`` tells."""
        self._client, self._clusters = client, clusters
        self._sampling = sampling or Sampling()

    def windows(self, since: float, until: float) -> Iterator[TraceWindow]:
        """The windows that begin in ``[since, until)``, oldest first, none twice."""
        wanted = self._drawn(since, until)
        for start in sorted(wanted):
            scraped = self._scrapes(start)
            for instance in sorted(wanted[start] & scraped.keys()):
                times = scraped[instance]
                grid = self._grid(instance, start, times)
                if grid is not None and grid.times[-1] <= time.time():  # else it is not all there
                    yield from rebuild(self._read(grid), grid, self._clusters)

    def _drawn(self, since: float, until: float) -> dict[float, set[str]]:
        """The agents to be read at each time."""
        every = self._sampling.every_seconds
        first, behind = math.ceil(since / every), math.ceil(until / every)
        instances = self._client.label_values("instance", _ALIVE, since, until)
        pairs = [(place * every, one) for place in range(first, behind) for one in instances]
        if len(pairs) > self._sampling.stretches:
            pairs = sorted(pairs, key=_lot)[: self._sampling.stretches]
        wanted: dict[float, set[str]] = {}
        for start, instance in pairs:
            wanted.setdefault(start, set()).add(instance)
        return wanted

    def _scrapes(self, start: float) -> dict[str, Series]:
        """When each agent was scraped soon after ``start``."""
        found: dict[str, Series] = {}
        for look in _LOOKS:
            known = [one for one, times in found.items() if len(times.times) > 2]
            others = f"{_ALIVE}{{instance!~{one_of(known)}}}" if known else _ALIVE
            for series in self._client.query(f"{others}[{look}s]", start + look):
                found[series.labels.get("instance", "")] = series
        return found

    def _grid(self, instance: str, start: float, scraped: Series) -> Grid | None:
        """Points that lie midway between two scrapes: none is taken for its neighbour."""
        if len(scraped.times) < 3:
            return None
        usual = float(np.median(np.diff(scraped.times)))
        interval = max(round(round(usual / _FINEST) * _FINEST, 2), _FINEST)
        offset = (float(scraped.times[-1]) - start + interval / 2) % interval
        return Grid(instance, start, start + offset, interval, self._sampling.steps)

    def _read(self, grid: Grid) -> list[Gridded]:
        """All series of an agent at the points of a grid."""
        times = grid.times
        found = self._client.query_range(
            selector_of(grid.instance), float(times[0]), float(times[-1]), grid.interval
        )
        return [Gridded(one.labels, _placed(one, grid)) for one in found]


def selector_of(instance: str) -> str:
    """All series of an agent that windows are made of."""
    return f"{{__name__=~{one_of(NAMES)},instance={quoted(instance)}}}"


def _placed(series: Series, grid: Grid) -> Numbers:
    """The answers of ``query_range`` at their points; NaN where there is none."""
    values = np.full(grid.steps + 1, np.nan)
    places = np.rint((series.times - grid.first) / grid.interval).astype(int)
    inside = (places >= 0) & (places <= grid.steps)
    values[places[inside]] = series.values[inside]
    return values


def _lot(pair: tuple[float, str]) -> bytes:
    return hashlib.blake2b(f"{pair[0]:.3f}/{pair[1]}".encode(), digest_size=16).digest()
