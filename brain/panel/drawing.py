"""Drawing a chart as SVG, with the answers of a Prometheus-compatible server.

Colours read on light and dark ground alike; names come from strangers and are drawn as text alone.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...jobs.text import printable
from ..dashboards.chart import Chart, Query, Unit
from ..sources.promql import Series
from . import units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which those who see colours otherwise tell apart, without their black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#882255")
MEANINGS = {"good": "#009E73", "notice": "#E69F00", "bad": "#D55E00"}
INK = "#7d8a94"  # on white and on black alike
MAX_SERIES = 200
MAX_LEGEND = 8
MAX_LANES = 160
MAX_CURVES = 16
MAX_NAME = 40  # characters
NAMED_LANES = 32  # of more, not every one is named
_INCHES = 7.0  # of half a page
_DAY = 86400.0
# What stands at the end of the axis of time where its ticks are years, months, days, hours, minutes
# or seconds: what they leave out, and the time zone.
_OFFSETS = ["UTC", "%Y UTC", "%Y-%m UTC", "%Y-%m-%d UTC", "%Y-%m-%d UTC", "%Y-%m-%d %H:%M UTC"]
_AT_ZERO = 1e-6  # a threshold below it lies on the axis
_ONE_AT_A_TIME = threading.Lock()

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One series of a chart with the name that its legend gives it."""

    name: str
    series: Series
    query: Query


def lines_of(chart: Chart, answers: Sequence[Iterable[Series]]) -> list[Line]:
    """What the answers to the chart's queries draw, at most ``MAX_SERIES``, by name."""
    found = [
        Line(legend(query, series.labels), series, query)
        for query, told in zip(chart.queries, answers, strict=True)
        for series in map(_finite, told)
        if len(series.times)
    ]
    return sorted(found, key=lambda line: _by_number(line.name))[:MAX_SERIES]


def _finite(series: Series) -> Series:
    """The points that can be drawn: a quotient may be no number, or infinite."""
    known = np.isfinite(series.values)
    return Series(series.labels, series.times[known], series.values[known])


def legend(query: Query, labels: Mapping[str, str]) -> str:
    """The legend of a series: ``{{label}}`` is replaced by the label's value."""
    text = query.legend
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    if not text:
        shown = (f"{name}={value}" for name, value in labels.items() if name != "__name__")
        text = ", ".join(shown)
    return printable(text, MAX_NAME)


def svg(chart: Chart, lines: Sequence[Line], start: float, end: float) -> bytes:
    """The chart from ``start`` to ``end``, seconds since the epoch."""
    from matplotlib.figure import Figure

    height = _height(_lanes_of(chart, lines)) if chart.kind in _BY_LANES else 2.2
    with _settings(chart.title):
        figure = Figure(figsize=(_INCHES * chart.width / 6, height), layout="constrained")
        axes = figure.add_subplot()
        _look(axes)
        if lines:
            _DRAWN[chart.kind](chart, axes, lines)
        else:
            middle: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
            axes.text(0.5, 0.5, "nothing is told of this", color=INK, **middle)
            axes.set_yticks([])
            axes.set_xticks([])
        if chart.over_time:
            _time(axes, start, end)
        return _bytes(figure)


def curves(told: Mapping[str, Sequence[float | None]], step_seconds: float) -> bytes:
    """A trace: a small plot for each name that was measured, on one axis of seconds."""
    from matplotlib.figure import Figure

    known = {name: np.array(values, dtype=float) for name, values in told.items()}
    shown = {name: values for name, values in known.items() if np.isfinite(values).any()}
    names = list(shown)[:MAX_CURVES] or [""]
    with _settings("curves"):
        figure = Figure(figsize=(_INCHES, 0.4 + 0.5 * len(names)), layout="constrained")
        grid = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(grid, names, strict=True):
            _look(axes)
            values = shown.get(name, np.empty(0))
            axes.plot(np.arange(len(values)) * step_seconds, values, color=COLOURS[0], lw=1.2)
            axes.set_ylim(0, max(float(np.nanmax(values, initial=0)) * 1.1, 0.01))
            axes.set_ylabel(
                printable(name, 40),
                rotation=0,
                ha="right",
                va="center",
                color=INK,
                parse_math=False,
            )
        grid[-1].set_xlabel("seconds", color=INK)
        return _bytes(figure)


@contextmanager
def _settings(salt: str) -> Iterator[None]:
    """How all is drawn. Matplotlib's settings are the process's: one request draws at a time."""
    from matplotlib import rc_context

    with (
        _ONE_AT_A_TIME,
        rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.size": 8}),
    ):
        yield


def _lanes_of(chart: Chart, lines: Sequence[Line]) -> int:
    by_name = chart.kind == "state-timeline"
    return min(len({line.name for line in lines} if by_name else lines), MAX_LANES)


def _height(lanes: int) -> float:
    """Inches: the lanes of a wide node are thinner."""
    return max(0.55 + 0.16 * min(lanes, NAMED_LANES) + 0.04 * max(lanes - NAMED_LANES, 0), 1.2)


def _look(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=8)
    for name, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(name in ("left", "bottom"))


def _bytes(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _time(axes: Axes, start: float, end: float) -> None:
    from matplotlib import dates

    axes.xaxis_date(UTC)
    locator = dates.AutoDateLocator(tz=UTC, minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(locator, tz=UTC, offset_formats=_OFFSETS)
    )
    axes.xaxis.get_offset_text().set_color(INK)
    axes.set_xlim(start / _DAY, end / _DAY)


def _timeseries(chart: Chart, axes: Axes, lines: Sequence[Line]) -> None:
    solid = [line for line in lines if not line.query.dashed]
    if chart.stacked and solid:
        _stack(axes, solid)
    else:
        for number, line in enumerate(solid):
            colour = COLOURS[number % len(COLOURS)]
            few = "." if len(line.series.times) < 3 else ""
            _plot(axes, line, colour=colour, marker=few, label=number < MAX_LEGEND)
    for line in lines:
        if line.query.dashed:
            _plot(axes, line, colour=INK, linestyle="--", label=True)
    for threshold in chart.thresholds:
        if threshold.value > _AT_ZERO:
            words = f"{threshold.meaning} from {units.short(threshold.value, chart.unit)}"
            axes.axhline(threshold.value, color=MEANINGS[threshold.meaning], ls=":", label=words)
    _values(chart, axes, lines)
    axes.grid(axis="y", color=INK, alpha=0.2)
    _legend(axes, len(solid), below=chart.width < 6)


def _plot(axes: Axes, line: Line, *, colour: str, label: bool, **look: Any) -> None:
    name = line.name if label and not line.name.startswith("_") else None
    times, values = line.series.times, line.series.values
    gaps = _gaps(times)  # no line leads over what was not measured
    moments = np.insert(times, gaps, times[gaps]) / _DAY
    axes.plot(moments, np.insert(values, gaps, np.nan), color=colour, lw=1.2, label=name, **look)


def _gaps(times: Times) -> NDArray[np.intp]:
    """The places of the times before which some are missing."""
    steps = np.diff(times)
    return (
        np.flatnonzero(steps > 1.5 * np.median(steps)) + 1 if len(steps) else np.empty(0, np.intp)
    )


def _stack(axes: Axes, lines: Sequence[Line]) -> None:
    """Areas on top of each other; a series that is absent at a time adds nothing there."""
    times = np.unique(np.concatenate([line.series.times for line in lines]))
    heights = np.zeros((len(lines), len(times)))
    for row, line in zip(heights, lines, strict=True):
        row[np.searchsorted(times, line.series.times)] = line.series.values
    gaps = _gaps(times)
    edges = np.column_stack((times[gaps - 1], times[gaps])).ravel()
    times = np.insert(times, np.repeat(gaps, 2), edges)
    heights = np.insert(heights, np.repeat(gaps, 2), 0.0, axis=1)
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(lines))]
    areas = axes.stackplot(times / _DAY, heights, colors=colours, alpha=0.75, lw=0)
    for area, line in zip(areas[:MAX_LEGEND], lines, strict=False):
        area.set_label(line.name.lstrip("_"))


def _values(chart: Chart, axes: Axes, lines: Sequence[Line]) -> None:
    """The axis of values: from 0 where none is below, whole numbers for what is counted."""
    least = min((float(np.nanmin(line.series.values)) for line in lines), default=0.0)
    top = max(axes.get_ylim()[1], 1e-9)
    axes.set_ylim(min(0.0, least), chart.maximum or (top if top > 0.06 or least > 0 else 1.0))
    counted = not chart.unit and all((line.series.values % 1 == 0).all() for line in lines)
    _ticks(axes.yaxis, chart.unit, counted=counted)


def _ticks(axis: Axis, unit: Unit, *, counted: bool) -> None:
    """Ticks at numbers that are round in the unit."""
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    low, high = axis.get_view_interval()
    step = units.step(high - low, unit)
    round_numbers = MaxNLocator(units.MOST_TICKS, integer=counted)
    axis.set_major_locator(MultipleLocator(step) if step else round_numbers)
    axis.set_major_formatter(lambda value, _: units.short(value, unit))


def _legend(axes: Axes, drawn: int, *, below: bool) -> None:
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    if drawn > MAX_LEGEND:
        handles.append(axes.plot([], [], lw=0)[0])
        names.append(f"and {drawn - MAX_LEGEND} more")
    # Beside a wide chart, below a narrow one.
    place: dict[str, Any] = (
        {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22), "ncols": 2}
        if below
        else {"loc": "upper left", "bbox_to_anchor": (1.0, 1.02)}
    )
    box = axes.legend(
        handles, names, fontsize=7, frameon=False, labelcolor=INK, handlelength=1.2, **place
    )
    for text in box.get_texts():
        text.set_parse_math(False)


def _bars(chart: Chart, axes: Axes, lines: Sequence[Line]) -> None:
    shown = sorted(lines, key=lambda line: float(line.series.values[-1]))[-MAX_LANES:]
    values = [float(line.series.values[-1]) for line in shown]
    axes.barh(range(len(shown)), values, color=[_meant(chart, value) for value in values])
    _lanes(axes, [line.name for line in shown])
    _ticks(axes.xaxis, chart.unit, counted=not chart.unit)


def _timeline(chart: Chart, axes: Axes, lines: Sequence[Line]) -> None:
    """A lane a name, coloured by what was said there at the time."""
    names = sorted({line.name for line in lines}, key=_by_number)[:MAX_LANES]
    states = sorted({line.series.labels.get(chart.state, "") for line in lines if chart.state})
    for line in lines:
        if line.name in names:
            _spans(chart, axes, line, names.index(line.name), states)
    _lanes(axes, names)
    axes.invert_yaxis()  # the first on top
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(states))]
    told = {printable(state, 40): colour for state, colour in zip(states, colours, strict=True)}
    for name, colour in list((told or _told(chart, lines)).items())[:MAX_LEGEND]:
        axes.plot([], [], color=colour, lw=5, label=name)
    _legend(axes, len(states), below=chart.width < 6)


def _told(chart: Chart, lines: Sequence[Line]) -> dict[str, str]:
    """The values that the lanes tell, in words, with their colours."""
    values = sorted({float(value) for line in lines for value in line.series.values})
    return {units.short(value, chart.unit): _meant(chart, value) for value in values}


def _meant(chart: Chart, value: float) -> str:
    """The colour of a value by the thresholds."""
    meaning = units.colour(value, chart.thresholds)
    return MEANINGS[meaning] if meaning else COLOURS[0]


def _spans(chart: Chart, axes: Axes, line: Line, lane: int, states: Sequence[str]) -> None:
    times, values = line.series.times, line.series.values
    step = float(np.median(np.diff(times))) if len(times) > 1 else 60.0
    breaks = (np.diff(times) > 1.5 * step) | (np.diff(values) != 0)
    for part in np.split(np.arange(len(times)), np.flatnonzero(breaks) + 1):
        if chart.state:
            colour = COLOURS[states.index(line.series.labels.get(chart.state, "")) % len(COLOURS)]
        else:
            colour = _meant(chart, float(values[part[0]]))
        begun, ended = times[part[0]], times[part[-1]] + step
        axes.barh(lane, (ended - begun) / _DAY, left=begun / _DAY, height=0.8, color=colour, lw=0)


def _heatmap(chart: Chart, axes: Axes, lines: Sequence[Line]) -> None:
    """A lane a series, darker where its value is higher."""
    shown = lines[:MAX_LANES]
    times = np.unique(np.concatenate([line.series.times for line in shown]))
    cells = np.full((len(shown), len(times)), np.nan)
    for row, line in zip(cells, shown, strict=True):
        row[np.searchsorted(times, line.series.times)] = line.series.values
    moments = times / _DAY
    step = float(np.median(np.diff(moments))) if len(moments) > 1 else 60.0 / _DAY
    picture = axes.imshow(
        cells, aspect="auto", interpolation="nearest", cmap="viridis", vmin=0.0,
        vmax=chart.maximum, extent=(moments[0], moments[-1] + step, len(shown) - 0.5, -0.5),
    )  # fmt: skip
    _lanes(axes, [line.name for line in shown])
    axes.invert_yaxis()
    bar = axes.figure.colorbar(picture, ax=axes, pad=0.01)
    bar.ax.tick_params(colors=INK, labelsize=7)
    bar.ax.yaxis.set_major_formatter(lambda value, _: units.short(value, chart.unit))
    bar.outline.set_visible(False)


def _lanes(axes: Axes, names: Sequence[str]) -> None:
    every = -(-len(names) // NAMED_LANES)
    axes.set_yticks(range(0, len(names), every), names[::every], parse_math=False, fontsize=7)
    axes.set_ylim(-0.6, len(names) - 0.4)


def _by_number(name: str) -> tuple[float, str]:
    """Threads and ranks in the order of their numbers, all else by the alphabet."""
    return (float(name) if name.isdecimal() and len(name) < 10 else math.inf, name)


_BY_LANES = ("bars", "state-timeline", "heatmap")
_DRAWN = {
    "timeseries": _timeseries,
    "bars": _bars,
    "state-timeline": _timeline,
    "heatmap": _heatmap,
}
