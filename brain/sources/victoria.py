"""Windows of trace out of VictoriaMetrics, by its export: raw samples, which unpack fast."""

from __future__ import annotations

import numpy as np

from .prometheus import PrometheusSource, selector_of
from .promql import Series
from .rebuilding import Grid, Gridded, Numbers

LOOKBACK_SECONDS = 300.0  # how long a sample stands, as in Prometheus


class VictoriaSource(PrometheusSource):
    """As :class:`PrometheusSource`, with the same windows: only how series are read differs."""

    def _read(self, grid: Grid) -> list[Gridded]:
        times = grid.times
        begin = float(times[0]) - LOOKBACK_SECONDS
        parts: dict[frozenset[tuple[str, str]], list[Series]] = {}
        matches = [selector_of(grid.instance)]
        for one in self._client.export(matches, begin, float(times[-1])):
            parts.setdefault(frozenset(one.labels.items()), []).append(one)
        return [Gridded(some[0].labels, newest(_joined(some), times)) for some in parts.values()]


def _joined(parts: list[Series]) -> Series:
    if len(parts) == 1:
        return parts[0]
    times = np.concatenate([one.times for one in parts])
    order = np.argsort(times, kind="stable")
    return Series(parts[0].labels, times[order], np.concatenate([p.values for p in parts])[order])


def newest(series: Series, times: Numbers) -> Numbers:
    """The newest sample at each point, as a query finds it; NaN where it is stale or too old."""
    places = np.searchsorted(series.times, times, side="right") - 1
    found = series.values[np.maximum(places, 0)]
    age = times - series.times[np.maximum(places, 0)]
    return np.where((places >= 0) & (age < LOOKBACK_SECONDS), found, np.nan)
