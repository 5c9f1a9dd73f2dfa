"""Pictures of studies: bars with intervals, lines with bands, maps of places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from jobmend.classifier.failures.evaluation.intervals import Interval
from jobmend.classifier.failures.reporting import plots_style as style

OUTER = 2.0
Series = Mapping[str, Sequence[Interval]]


def _arms(interval: Interval) -> tuple[float, float]:
    if math.isnan(interval.low):
        return 0.0, 0.0
    return interval.mean - interval.low, interval.high - interval.mean


def dots(
    title: str,
    groups: Sequence[str],
    series: Series,
    across: str,
    *,
    log: bool = False,
    guess: float | None = None,
) -> bytes:
    """One line a group, one dot with its interval a series; ``guess`` is a level to compare."""
    figure, axes = style.canvas(title, synthetic=False, height=0.9 + 0.62 * len(groups))
    axis = axes[0, 0]
    _rows(axis, series)
    if guess is not None:
        axis.axvline(guess, color=style.QUIET, linestyle=":", label="guessing")
    if log:
        axis.set_xscale("log")
    axis.set_yticks(range(len(groups)), [style.words(name) for name in groups])
    axis.invert_yaxis()
    axis.set_xlabel(across)
    style.legend_below(figure, axes)
    return style.png(figure)


def _rows(axis: style.Axes, series: Series) -> None:
    """A dot with its interval for each group, the series beside each other."""
    for place, (name, values) in enumerate(series.items()):
        shift = 0.7 * (place - (len(series) - 1) / 2) / max(1, len(series))
        axis.errorbar(
            [one.mean for one in values],
            np.arange(len(values)) + shift,
            xerr=np.array([_arms(one) for one in values]).T,
            fmt=style.marker(place),
            color=style.colour(place),
            markersize=5,
            elinewidth=1.2,
            label=style.words(name),
        )


def lines(panels: Mapping[str, Series], title: str, places: Sequence[float], below: str) -> bytes:
    """One panel a figure, lines of intervals over ``places`` on a logarithmic axis."""
    figure, axes = style.canvas(title, synthetic=False, shape=(1, len(panels)), height=4.4)
    for axis, (name, series) in zip(axes.flat, panels.items(), strict=True):
        for number, (arm, values) in enumerate(series.items()):
            spans = np.array([_arms(one) for one in values]).T
            axis.errorbar(
                np.asarray(places) * (1 + 0.03 * (number - 1)),
                [one.mean for one in values],
                yerr=spans,
                fmt=f"-{style.marker(number)}",
                color=style.colour(number),
                markersize=5,
                label=style.words(arm),
            )
        axis.set_xscale("log")
        axis.set_xticks(list(places), [f"{place:g}" for place in places])
        axis.minorticks_off()
        axis.set_xlabel(below)
        axis.set_title(name, fontsize=10)
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    return style.png(figure)


def places(
    title: str, maps: Mapping[str, NDArray[np.float32]], labels: NDArray[np.str_], columns: int
) -> bytes:
    """Points ``[rows, 2]`` coloured by label, one panel a map.

    The outermost :data:`OUTER` per cent on each side are not shown: they would press the others
    into one spot.
    """
    rows, wide = style.grid_of(len(maps), columns)
    figure, axes = style.canvas(title, synthetic=False, shape=(rows, wide), height=3.1 * rows + 0.6)
    for axis, (name, points) in zip(axes.flat, maps.items(), strict=False):
        for number, label in enumerate(sorted(set(labels))):
            here = points[labels == label]
            axis.scatter(
                here[:, 0],
                here[:, 1],
                s=11,
                alpha=0.7,
                linewidths=0,
                color=style.colour(number),
                marker=style.marker(number),
                label=style.words(str(label)),
            )
        _crop(axis, points)
        axis.set_title(name, fontsize=10)
        axis.tick_params(labelbottom=False, labelleft=False)
    style.blank(axes.flat[len(maps) :])
    style.legend_below(figure, axes)
    return style.png(figure)


def _crop(axis: style.Axes, points: NDArray[np.float32]) -> None:
    low, high = np.percentile(points, [OUTER, 100 - OUTER], axis=0)
    margin = np.maximum(high - low, 1e-6) * 0.08
    axis.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axis.set_ylim(low[1] - margin[1], high[1] + margin[1])


def grid(
    title: str, panels: Mapping[str, NDArray[np.float64]], below: Sequence[str], left: Sequence[str]
) -> bytes:
    """Heat maps with their numbers, ``[left, below]`` each, on one scale."""
    figure, axes = style.canvas(title, synthetic=False, shape=(1, len(panels)), height=4.0)
    low = min(float(np.nanmin(table)) for table in panels.values())
    high = max(float(np.nanmax(table)) for table in panels.values())
    for axis, (name, table) in zip(axes.flat, panels.items(), strict=True):
        axis.grid(visible=False)
        axis.imshow(table, cmap=style.MAPS["amount"], vmin=low, vmax=high, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            dark = value < (low + high) / 2
            colour = "white" if dark else "black"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour)
        axis.set_xticks(range(len(below)), below)
        axis.set_yticks(range(len(left)), left)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("seconds of a window")
    axes[0, 0].set_ylabel("latent size")
    return style.png(figure)
