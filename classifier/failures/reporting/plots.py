"""Plots of what a model said: ROC, over-training, confusion, calibration, coverage.

Each takes plain arrays and gives a matplotlib figure. docs/failure-report.md says how to read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.metrics import auc, confusion_matrix, roc_curve

from ..evaluation.scores import ECE_BINS, Floats, Said, calibration_error
from ..evaluation.scores import coverage as coverage_at
from ..evaluation.splits import Indices
from . import plots_style as style
from .plots_style import Axes, words

MAX_CLASSES = 6  # the commonest: more lines than these nobody can follow
MAX_MATRIX = 14
HISTOGRAM_BINS = 20
PRECISIONS = (0.9, 0.95)


def pooled(folds: Sequence[Said]) -> Said:
    """All folds as one; ValueError where there is none."""
    return Said(
        np.concatenate([fold.labels for fold in folds]),
        np.concatenate([fold.probabilities for fold in folds]),
    )


def commonest(labels: Indices, classes: Sequence[str], limit: int = MAX_CLASSES) -> list[int]:
    """The classes with the most tasks, those with none left out."""
    counts = np.bincount(labels, minlength=len(classes))
    ranked = np.argsort(-counts, kind="stable")[:limit]
    return [int(number) for number in ranked if counts[number]]


def roc(folds: Sequence[Said], classes: Sequence[str], *, synthetic: bool) -> Any:
    """ROC of each class against the rest: mean and one standard deviation over the folds."""
    figure, axes = style.canvas("ROC, each class against the rest", synthetic=synthetic, height=5.2)
    axis = axes[0, 0]
    axis.plot([0, 1], [0, 1], "--", color=style.QUIET, linewidth=1, label="chance")
    for place, number in enumerate(commonest(pooled(folds).labels, classes)):
        _roc_of(axis, folds, number, words(classes[number]), place)
    axis.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=9, frameon=False)
    return figure


def _roc_of(axis: Axes, folds: Sequence[Said], number: int, name: str, place: int) -> None:
    grid = np.linspace(0, 1, 201)
    rates, areas = [], []
    for fold in folds:
        positive = fold.labels == number
        if positive.all() or not positive.any():
            continue  # no curve without both kinds
        false_rate, true_rate, _ = roc_curve(positive, fold.probabilities[:, number])
        rates.append(np.interp(grid, false_rate, true_rate))
        areas.append(auc(false_rate, true_rate))
    if not rates:
        return
    mean, spread = np.mean(rates, axis=0), np.std(rates, axis=0)
    mean[0] = spread[0] = 0.0
    label = f"{name}: AUC {np.mean(areas):.3f}"
    label += f" ± {np.std(areas):.3f}" if len(areas) > 1 else ""
    axis.plot(grid, mean, color=style.colour(place), label=label)
    if len(areas) > 1:
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        axis.fill_between(grid, low, high, color=style.colour(place), alpha=0.15, linewidth=0)


def over_training(train: Said, test: Said, classes: Sequence[str], *, synthetic: bool) -> Any:
    """Scores of training and test tasks per class, and their Kolmogorov-Smirnov distance.

    As TMVA's over-training check (Hoecker et al., physics/0703039): bars training, points test.
    """
    shown = commonest(test.labels, classes)
    rows, columns = style.grid_of(len(shown))
    figure, axes = style.canvas(
        "Over-training: do test scores (points) follow training scores (bars)?",
        synthetic=synthetic,
        shape=(rows, columns),
        height=1.0 + 2.5 * rows,
        sharex=True,
    )
    for axis, number in zip(axes.flat, shown, strict=False):
        _over_training_of(axis, train, test, number)
        axis.set_title(words(classes[number]), fontsize=10)
    style.blank(axes.flat[len(shown) :])
    style.label_outside(axes, len(shown), "probability of the class", "density (log)")
    style.legend_below(figure, axes)
    return figure


def _over_training_of(axis: Axes, train: Said, test: Said, number: int) -> None:
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    distances = []
    for place, (word, belongs) in enumerate((("the class", True), ("the rest", False))):
        old = train.probabilities[(train.labels == number) == belongs, number]
        new = test.probabilities[(test.labels == number) == belongs, number]
        if not old.size or not new.size:
            continue
        style_of = {"color": style.colour(place), "label": f"{word}, training"}
        axis.hist(old, edges, density=True, alpha=0.35, **style_of)
        counts, _ = np.histogram(new, edges)
        scale = 1 / (new.size * (edges[1] - edges[0]))
        seen = counts > 0
        axis.errorbar(
            ((edges[:-1] + edges[1:]) / 2)[seen],
            (counts * scale)[seen],
            yerr=(np.sqrt(counts) * scale)[seen],  # of Poisson counts
            fmt=style.marker(place),
            color=style.colour(place),
            markersize=4,
            linewidth=1,
            label=f"{word}, test",
        )
        distances.append(f"{word} {ks_2samp(old, new).statistic:.2f}")
    axis.set_yscale("log")
    note = "KS distance\n" + "\n".join(distances)
    axis.text(0.5, 0.95, note, ha="center", va="top", fontsize=8, transform=axis.transAxes)


def confusion(labels: Indices, chosen: Indices, classes: Sequence[str], *, synthetic: bool) -> Any:
    """What was right against what was said: numbers of tasks, and shares of each row."""
    shown = sorted(commonest(labels, classes, MAX_MATRIX))
    counts = confusion_matrix(labels, chosen, labels=shown)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    names = [words(classes[number], 16) for number in shown]
    figure, axes = style.canvas(
        "Confusion",
        synthetic=synthetic,
        shape=(1, 2),
        height=2.6 + 0.38 * max(4, len(shown)),
    )
    _matrix(axes[0, 0], counts, names, "tasks", "d", float(max(1, counts.max())))
    _matrix(axes[0, 1], shares, names, "share of the row", ".2f", 1.0)
    return figure


def _matrix(
    axis: Axes, values: NDArray[Any], names: list[str], what: str, form: str, top: float
) -> None:
    axis.grid(False)
    axis.imshow(values, cmap=style.MAPS["amount"], vmin=0, vmax=top)
    size = 10 if len(names) <= 6 else 7
    for row, column in np.ndindex(*values.shape):
        dark = values[row, column] < top / 2
        axis.text(
            column,
            row,
            format(values[row, column], form),
            ha="center",
            va="center",
            color="white" if dark else "black",
            fontsize=size,
        )
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    axis.set_title(what, fontsize=10)
    axis.set_xlabel("said")
    axis.set_ylabel("was done")


def calibration(said: Said, classes: Sequence[str], *, synthetic: bool) -> Any:
    """Reliability of each class in bins of equal mass, and how many tasks have which probability.

    The names carry the expected calibration error:
    :func:`~..evaluation.scores.calibration_error`.
    """
    figure, axes = style.canvas(
        "Calibration: probability said against share that was so",
        synthetic=synthetic,
        shape=(2, 1),
        height=6.2,
        sharex=True,
        height_ratios=(3, 1),
    )
    above, below = axes[:, 0]
    above.plot([0, 1], [0, 1], "--", color=style.QUIET, linewidth=1, label="perfect")
    for place, number in enumerate(commonest(said.labels, classes)):
        given, so = said.probabilities[:, number], said.labels == number
        mean, share, tasks = reliability(so, given)
        error = np.sqrt(share * (1 - share) / tasks)
        label = f"{words(classes[number])}: ECE {calibration_error(so, given):.3f}"
        look = {"color": style.colour(place), "marker": style.marker(place), "markersize": 5}
        above.errorbar(mean, share, yerr=error, label=label, linewidth=1, **look)
        below.hist(given, 40, range=(0, 1), histtype="step", color=style.colour(place))
    below.set(yscale="log", xlabel="probability of the class", ylabel="tasks (log)")
    above.set(ylabel="share that was so", xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    above.legend(loc="upper left", fontsize=9, frameon=False)
    return figure


def reliability(so: NDArray[np.bool_], given: Floats) -> tuple[Floats, Floats, Indices]:
    """Mean probability, share that was so and number of tasks, in bins of equal mass.

    Equal probabilities fall into one bin, as in :func:`~..evaluation.scores.calibration_error`.
    """
    inner = np.unique(np.quantile(given, np.linspace(0, 1, ECE_BINS + 1)[1:-1]))
    which = np.searchsorted(inner, given, side="left")
    tasks = np.bincount(which)
    filled = tasks > 0
    size = tasks[filled]
    mean = np.bincount(which, weights=given)[filled] / size
    share = np.bincount(which, weights=so)[filled] / size
    return mean, share, size


def coverage(
    said: Said,
    *,
    synthetic: bool,
    chosen: tuple[float, float] | None = None,
) -> Any:
    """Precision of the surest answers against the share of tasks answered.

    ``chosen`` is the (coverage, precision) at which the model works, abstention included.
    """
    figure, axes = style.canvas("Precision of the surest answers", synthetic=synthetic)
    axis = axes[0, 0]
    share, precision = covered(said)
    axis.plot(share, precision, color=style.colour(0), label="answers in order of probability")
    for place, wanted in enumerate(PRECISIONS, 1):
        most = coverage_at(said, wanted)
        label = f"precision {wanted:.0%} at coverage {most:.0%}"
        axis.axhline(wanted, color=style.colour(place), linestyle=":", linewidth=1)
        axis.plot([most], [wanted], style.marker(place), color=style.colour(place), label=label)
    if chosen is not None:
        axis.plot(*chosen, "*", color="black", markersize=13, label="as set, abstention included")
    axis.set(xlabel="coverage (share of tasks answered)", ylabel="precision (share right)")
    axis.set(xlim=(-0.01, 1.01), ylim=(min(0.6, float(precision.min())) - 0.02, 1.02))
    axis.legend(loc="lower left", fontsize=9, frameon=False)
    return figure


def covered(said: Said) -> tuple[Floats, Floats]:
    """Coverage and precision as ever less sure answers are taken in, equally sure ones together."""
    sure = said.probabilities.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    taken = np.arange(1, len(order) + 1)
    right = np.cumsum((said.answers == said.labels)[order])
    last = np.append(np.diff(sure[order]) != 0, True)
    return (taken / len(order))[last], (right / taken)[last]
