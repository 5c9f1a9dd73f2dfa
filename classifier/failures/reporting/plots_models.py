"""Plots about models: arms side by side, learning curve, tuning, what a model looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import plots_style as style
from .plots_style import words

Floats = NDArray[np.float64]

MAX_COLUMNS = 20
MAX_PANELS = 6
MAX_LINES = 6  # classes in one panel
MAX_POINTS = 600  # of a swarm, a column
MAX_LABEL = 46


@dataclass(frozen=True)
class Bar:
    """A named value with its interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Dependence:
    """Mean probability ``[values, classes]`` when one column holds each of ``values``."""

    name: str
    values: Floats
    probabilities: Floats


def arms(
    bars: Sequence[Bar],
    measure: str,
    *,
    synthetic: bool,
    champion: str = "",
    alike: Sequence[str] = (),
    lines: Mapping[str, float] | None = None,
) -> Any:
    """One row an arm with its interval, in the order given.

    The champion is filled, those that cannot be told from it (``alike``) are ringed. ``lines`` are
    values to compare with, such as the best possible.
    """
    title = f"Arms by {words(measure)}"
    figure, axes = style.canvas(title, synthetic=synthetic, height=1.8 + 0.3 * len(bars))
    axis = axes[0, 0]
    for row, bar in enumerate(bars):
        shade = style.colour(0) if bar.name in (champion, *alike) else style.QUIET
        axis.hlines(row, bar.low, bar.high, color=shade, linewidth=2)
        face = shade if bar.name == champion or bar.name not in alike else "white"
        axis.plot(bar.value, row, "o", color=shade, markerfacecolor=face, markersize=7)
    for number, (name, value) in enumerate((lines or {}).items(), 1):
        axis.axvline(value, color=style.colour(number), linestyle="--", label=words(name))
    names = [words(bar.name) + (" (champion)" if bar.name == champion else "") for bar in bars]
    axis.set_yticks(range(len(bars)), names)
    axis.set_ylim(len(bars) - 0.5, -0.5)
    axis.set_xlabel(f"{words(measure)}, with interval")
    style.legend_below(figure, axes)
    return figure


def learning_curve(
    sizes: Sequence[int], train: Floats, test: Floats, measure: str, *, synthetic: bool
) -> Any:
    """Training and test score, ``[sizes, repeats]``, against the number of training tasks."""
    figure, axes = style.canvas("Learning curve", synthetic=synthetic)
    axis = axes[0, 0]
    for place, (name, scores) in enumerate((("training tasks", train), ("test tasks", test))):
        mean, spread = np.nanmean(scores, axis=1), np.nanstd(scores, axis=1)
        look = {"color": style.colour(place), "marker": style.marker(place)}
        axis.plot(sizes, mean, label=name, **look)
        axis.fill_between(sizes, mean - spread, mean + spread, alpha=0.15, color=look["color"])
    axis.set(xlabel="training tasks", ylabel=words(measure), xscale="log")
    axis.set_xticks(list(sizes), [str(size) for size in sizes])
    axis.minorticks_off()
    axis.legend(fontsize=9, frameon=False)
    return figure


def partial_dependence(
    panels: Sequence[Dependence], classes: Sequence[str], *, synthetic: bool
) -> Any:
    """Mean probability of each class as one column is set to each of its values (Friedman 2001)."""
    shown = panels[:MAX_PANELS]
    rows, columns = style.grid_of(len(shown))
    figure, axes = style.canvas(
        "Partial dependence: mean probability when one column is set",
        synthetic=synthetic,
        shape=(rows, columns),
        height=1.2 + 2.4 * rows,
        sharey=True,
    )
    for axis, panel in zip(axes.flat, shown, strict=False):
        moved = np.argsort(-np.ptp(panel.probabilities, axis=0), kind="stable")[:MAX_LINES]
        for number in sorted(int(one) for one in moved):
            look = {"color": style.colour(number), "marker": style.marker(number)}
            label = words(classes[number])
            axis.plot(panel.values, panel.probabilities[:, number], label=label, ms=4, **look)
        axis.set_title(words(panel.name, MAX_LABEL), fontsize=9)
        axis.set_xscale("symlog" if panel.values.max(initial=0) > 50 else "linear")
    style.blank(axes.flat[len(shown) :])
    style.label_outside(axes, len(shown), "value of the column", "mean probability")
    style.legend_below(figure, axes)
    return figure


def contributions(
    weights: Floats, values: Floats, names: Sequence[str], of: str, *, synthetic: bool
) -> Any:
    """What speaks for class ``of``: mean |contribution| as bars, each task's as a swarm.

    ``weights`` are signed contributions in log-odds ``[tasks, columns]`` (SHAP values of trees:
    Lundberg et al. 2020; ``pred_contribs`` of XGBoost), ``values`` what the columns held.
    """
    strength = np.abs(weights).mean(axis=0)
    top = [int(one) for one in np.argsort(-strength, kind="stable")[:MAX_COLUMNS] if strength[one]]
    figure, axes = style.canvas(
        f"What speaks for or against “{words(of)}”",
        synthetic=synthetic,
        shape=(1, 2),
        height=1.8 + 0.27 * max(3, len(top)),
        sharey=True,
        width_ratios=(1, 1.6),
    )
    bars, swarm = axes[0]
    bars.barh(range(len(top)), strength[top], color=style.colour(0))
    bars.set_yticks(range(len(top)), [words(names[one], MAX_LABEL) for one in top], fontsize=8)
    bars.set_ylim(max(1, len(top)) - 0.5, -0.5)
    bars.set_xlabel("mean |contribution| (log-odds)")
    swarm.set_xlabel("contribution of one task (log-odds)")
    swarm.axvline(0, color=style.QUIET, linewidth=1)
    points = [
        _swarm(swarm, row, weights[:, column], values[:, column]) for row, column in enumerate(top)
    ]
    if points:
        bar = figure.colorbar(points[0], ax=swarm, ticks=[0, 1], aspect=40)
        bar.ax.set_yticklabels(["low", "high"], fontsize=8)
        bar.set_label("value of the column (rank)", fontsize=8)
    return figure


def _swarm(axis: Any, row: int, weights: Floats, values: Floats) -> Any:
    chance = np.random.default_rng(row)  # which points, and how far from the line
    kept = chance.permutation(len(weights))[:MAX_POINTS]
    ranks = np.searchsorted(np.sort(values[kept]), values[kept]) / max(1, len(kept) - 1)
    heights = row + chance.uniform(-0.3, 0.3, len(kept))
    return axis.scatter(
        weights[kept],
        heights,
        c=ranks,
        cmap=style.MAPS["signed"],
        vmin=0,
        vmax=1,
        s=5,
        linewidths=0,
        rasterized=True,
    )


def convergence(values: Floats, pruned: NDArray[np.bool_], measure: str, *, synthetic: bool) -> Any:
    """Each trial of a tuning study, and the best so far; NaN where a trial has no value."""
    figure, axes = style.canvas("Tuning: convergence", synthetic=synthetic)
    axis = axes[0, 0]
    trials = np.arange(1, len(values) + 1)
    done = ~pruned & np.isfinite(values)
    axis.plot(trials[done], values[done], "o", color=style.colour(0), label="finished trial")
    early = pruned & np.isfinite(values)
    axis.plot(trials[early], values[early], "x", color=style.QUIET, label="pruned trial")
    best = np.fmin.accumulate(np.where(done, values, np.inf))
    known = np.isfinite(best)
    axis.step(trials[known], best[known], where="post", color=style.colour(1), label="best so far")
    axis.set(xlabel="trial", ylabel=words(measure))
    axis.legend(fontsize=9, frameon=False)
    return figure


def importance(shares: Mapping[str, float], *, synthetic: bool) -> Any:
    """How much of the differences between trials each parameter explains (shares of 1)."""
    ranked = sorted(shares.items(), key=lambda pair: -pair[1])[:MAX_COLUMNS]
    figure, axes = style.canvas(
        "Tuning: which parameters matter",
        synthetic=synthetic,
        height=1.6 + 0.32 * max(3, len(ranked)),
    )
    axis = axes[0, 0]
    axis.barh(range(len(ranked)), [share for _, share in ranked], color=style.colour(0))
    axis.set_yticks(range(len(ranked)), [words(name) for name, _ in ranked])
    axis.set_ylim(max(1, len(ranked)) - 0.5, -0.5)
    axis.set_xlabel("importance (share)")
    return figure
