"""A dashboard as data: what Grafana and our own panel draw alike, each in its own way.

In an expression ``$name`` stands for a variable of the dashboard, ``$rate`` for the span that rates
are taken over and ``$range`` for the span that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..promql_text import one_of, quoted

Kind = Literal["timeseries", "stat", "table", "bars", "heatmap", "state-timeline"]
# "share" is 0 to 1, "cores" are seconds of CPU a second, "yes/no" is 1 or 0.
Unit = Literal["", "share", "seconds", "hours", "bytes", "bytes/s", "1/s", "cores", "yes/no"]
Meaning = Literal["good", "notice", "bad"]

_WORD = re.compile(r"\$([a-z_]+)")
EVERYTHING = ".*"


@dataclass(frozen=True)
class Query:
    """One PromQL expression; ``{{label}}`` in ``legend`` stands for the label's value."""

    expr: str
    legend: str = ""
    dashed: bool = False  # a limit or the edge of a band, not a measurement


@dataclass(frozen=True)
class Threshold:
    """From ``value`` upwards it means this; below the lowest bad where that is good, else good."""

    value: float
    meaning: Meaning


@dataclass(frozen=True)
class Chart:
    """One panel; ``width`` is in twelfths of the page.

    timeseries: a line for each series, or areas on each other where it is ``stacked``.
    stat, bars: a number or a bar for each series, as it is now.
    table: a line for each series as it is now, the labels ``columns`` in this order, and the
    number under the heading ``value`` unless that is empty.
    heatmap: a lane for each legend, coloured by the number, over time.
    state-timeline: a lane for each legend, over time; with ``state`` it tells the value of that
    label and is coloured by it, else by the number.
    """

    title: str
    kind: Kind
    unit: Unit
    queries: tuple[Query, ...]
    description: str
    thresholds: tuple[Threshold, ...] = ()
    state: str = ""
    columns: tuple[str, ...] = ()
    value: str = ""
    stacked: bool = False
    maximum: float | None = None
    width: int = 6

    @property
    def over_time(self) -> bool:
        """Is it asked for a range of time, or for one moment?"""
        return self.kind in ("timeseries", "heatmap", "state-timeline")


@dataclass(frozen=True)
class Row:
    """Charts side by side under a heading; a collapsed one is opened by whom it concerns."""

    title: str
    charts: tuple[Chart, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Variable:
    """What a reader chooses: values of the label ``of`` among the series of ``selector``.

    One that may be ``several`` stands in ``=~"$name"`` and begins with everything, one that may
    not stands in ``="$name"``. ``selector`` may use the variables before it.
    """

    name: str
    title: str
    selector: str
    of: str
    several: bool = True


@dataclass(frozen=True)
class Dashboard:
    """One page. ``since`` is how far it looks back at first, as in PromQL."""

    name: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    since: str = "6h"

    def charts(self) -> Iterator[Chart]:
        """All its charts, in the order of the page."""
        for row in self.rows:
            yield from row.charts

    def variable(self, name: str) -> Variable:
        """One of its variables; KeyError where it has none of that name."""
        return {one.name: one for one in self.variables}[name]


def filled(
    expr: str,
    variables: Sequence[Variable],
    chosen: Mapping[str, Sequence[str]],
    *,
    rate: str = "5m",
    range: str = "6h",
) -> str:
    """The expression with what was chosen in the places of its variables, fit to be sent.

    Values may be anybody's: none of them can end the string it stands in. Of a variable that may
    be several nothing chosen is everything; of another it is the empty value. KeyError names a
    variable that is not among ``variables``.
    """
    spans = {"rate": rate, "range": range}
    known = {one.name: one for one in variables}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in spans:
            return spans[name]
        values = chosen.get(name, ())
        if known[name].several:
            return one_of(values)[1:-1] if any(values) else EVERYTHING
        return quoted(values[0])[1:-1] if values else ""

    return _WORD.sub(value, expr)
