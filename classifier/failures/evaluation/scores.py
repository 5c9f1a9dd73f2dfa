"""How good probabilities are, on tasks that were held out. Accuracy alone is never told.

The commonest action is nine decisions in ten, so a model that says nothing else is right as often.
A class that no held-out task has cannot be told from others: its figures are NaN, but for its
calibration error, and no mean counts it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from imblearn.metrics import geometric_mean_score
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from .splits import Indices

Floats = NDArray[np.float64]

FLOOR = 1e-6  # no class is impossible: one that an arm never saw gets this much
ECE_BINS = 15


@dataclass(frozen=True, eq=False)
class Posterior:
    """The best possible answer where the data is generated: ``probabilities [tasks, classes]``."""

    probabilities: Floats
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Said:
    """What was said of some tasks: ``probabilities [tasks, classes]``, ``labels`` as columns."""

    labels: Indices
    probabilities: Floats

    @property
    def of_truth(self) -> Floats:
        """The probability that was given to what was done, per task."""
        return self.probabilities[np.arange(len(self.labels)), self.labels]

    @property
    def losses(self) -> Floats:
        """The log-loss of each task, in nats."""
        losses: Floats = -np.log(np.maximum(self.of_truth, FLOOR))
        return losses

    @property
    def answers(self) -> Indices:
        """The likeliest class of each task."""
        places: Indices = np.argmax(self.probabilities, axis=1)
        return places


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told from the rest, all 0..1; ``tasks`` is how many there were."""

    tasks: int
    recall: float
    precision: float  # NaN where it was never said
    roc_auc: float
    auprc: float
    ece: float
    ks: float  # its own tasks' probabilities, learned from against held out


@dataclass(frozen=True)
class Scores:
    """All figures of one arm on one set of tasks; NaN where one cannot be had.

    ``log_loss`` in nats. ROC AUC (one against the rest), AUPRC and F1 are means over classes.
    ``geometric_mean`` of recalls. ``brier`` is the sum over classes, 0..2 (Brier 1950). ``ece``
    is the largest of the classes'. ``coverage_90``: see :func:`coverage`. ``ks``: of the
    probability given to what was done, learned from against held out; near 0 is no over-training.
    ``closeness``: see :func:`closeness`.
    """

    tasks: int
    log_loss: float
    roc_auc: float
    auprc: float
    macro_f1: float
    geometric_mean: float
    brier: float
    ece: float
    coverage_90: float
    coverage_95: float
    ks: float
    closeness: float
    of_class: Mapping[str, ClassScores]


SUMMARY = tuple(name for name in Scores.__annotations__ if name not in ("tasks", "of_class"))
PER_CLASS = tuple(name for name in ClassScores.__annotations__ if name != "tasks")


def align(probabilities: Floats, own: Sequence[str], classes: Sequence[str]) -> Floats:
    """``probabilities [tasks, own]`` as columns of ``classes``; rows sum to 1, none is 0.

    ValueError where they are no probabilities, or of another shape.
    """
    said = np.asarray(probabilities, dtype=np.float64)
    if said.ndim != 2 or said.shape[1] != len(own) or not _are_probabilities(said):
        raise ValueError(f"no probabilities of {len(own)} classes: not finite, or not of sum 1")
    table = np.full((len(said), len(classes)), FLOOR)
    for column, word in enumerate(own):
        if word in classes:
            place = classes.index(word)
            table[:, place] = np.maximum(said[:, column], FLOOR)
    aligned: Floats = table / table.sum(axis=1, keepdims=True)
    return aligned


def _are_probabilities(rows: Floats) -> bool:
    fine = np.isfinite(rows).all() and (rows >= 0.0).all()
    return bool(fine and np.allclose(rows.sum(axis=1), 1.0, atol=1e-3))


def score(
    said: Said,
    classes: Sequence[str],
    *,
    learned: Said | None = None,
    baseline: Floats | None = None,
    best: Floats | None = None,
) -> Scores:
    """The figures of ``said``; ``learned`` is what is said of the tasks learned from.

    ``baseline`` (class shares, or a row a task) and ``best`` (the Bayes-optimal posterior, a row a
    task), both columns of ``classes``, are what closeness is measured between.
    """
    per_class = {
        word: _score_class(said, learned, place, *figures)
        for place, (word, figures) in enumerate(zip(classes, _recalls(said, classes), strict=True))
    }
    f1, geometric_mean = _over_present(said)
    return Scores(
        tasks=len(said.labels),
        log_loss=float(said.losses.mean()),
        roc_auc=_mean([one.roc_auc for one in per_class.values()]),
        auprc=_mean([one.auprc for one in per_class.values()]),
        macro_f1=f1,
        geometric_mean=geometric_mean,
        brier=_brier(said),
        ece=max(one.ece for one in per_class.values()),
        coverage_90=coverage(said, 0.90),
        coverage_95=coverage(said, 0.95),
        ks=math.nan if learned is None else _ks(learned.of_truth, said.of_truth),
        closeness=_closeness(said, baseline, best),
        of_class=per_class,
    )


def _over_present(said: Said) -> tuple[float, float]:
    """Macro-F1 and the geometric mean of recalls, over the classes that there are."""
    truth, answers, present = said.labels, said.answers, np.unique(said.labels)
    f1 = f1_score(truth, answers, labels=present, average="macro", zero_division=0.0)
    return float(f1), float(geometric_mean_score(truth, answers, labels=present))


def _recalls(said: Said, classes: Sequence[str]) -> list[tuple[float, float]]:
    precision, recall, _, _ = precision_recall_fscore_support(
        said.labels, said.answers, labels=np.arange(len(classes)), zero_division=np.nan
    )
    return list(zip(recall.tolist(), precision.tolist(), strict=True))


def _score_class(
    said: Said, learned: Said | None, place: int, recall: float, precision: float
) -> ClassScores:
    of_class, given = said.labels == place, said.probabilities[:, place]
    both = bool(of_class.any() and not of_class.all())
    ks = math.nan
    if learned is not None:
        ks = _ks(learned.probabilities[learned.labels == place, place], given[of_class])
    return ClassScores(
        tasks=int(of_class.sum()),
        recall=recall,
        precision=precision,
        roc_auc=float(roc_auc_score(of_class, given)) if both else math.nan,
        auprc=float(average_precision_score(of_class, given)) if both else math.nan,
        ece=calibration_error(of_class, given),
        ks=ks,
    )


def calibration_error(happened: NDArray[np.bool_], given: Floats, bins: int = ECE_BINS) -> float:
    """Expected calibration error of one class: mean over bins of |said - happened|, 0..1.

    Naeini, Cooper and Hauskrecht (2015); per class, bins of equal mass: Nixon et al. (2019).
    Equal probabilities fall into one bin, so that what says one thing always is not cut by chance.
    """
    inner = np.unique(np.quantile(given, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    which = np.searchsorted(inner, given, side="left")
    gaps = np.bincount(which, weights=given - happened)
    return float(np.abs(gaps).sum() / len(given))


def coverage(said: Said, precision: float) -> float:
    """The largest share of tasks that can be answered, surest first, with so many answers right.

    Selective classification (El-Yaniv and Wiener 2010); 0 where no share can. Equally sure
    answers are given together.
    """
    sure = said.probabilities.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    right = np.cumsum((said.answers == said.labels)[order]) / np.arange(1, len(order) + 1)
    last = np.append(np.diff(sure[order]) != 0.0, True)  # of those equally sure
    fine = np.flatnonzero(last & (right >= precision))
    return float((fine[-1] + 1) / len(order)) if len(fine) else 0.0


def closeness(model: float, baseline: float, best: float) -> float:
    """How much of the way from the baseline's log-loss to the best possible one; NaN without a way.

    1 is Bayes-optimal, 0 as bad as the baseline.
    """
    return (baseline - model) / (baseline - best) if baseline > best else math.nan


def _closeness(said: Said, baseline: Floats | None, best: Floats | None) -> float:
    if baseline is None or best is None:
        return math.nan
    shares = np.broadcast_to(baseline, said.probabilities.shape)
    losses = (Said(said.labels, one).losses.mean() for one in (said.probabilities, shares, best))
    return closeness(*(float(loss) for loss in losses))


def _brier(said: Said) -> float:
    places = np.arange(said.probabilities.shape[1])
    if len(places) == 1:
        return 0.0
    return float(
        brier_score_loss(said.labels, said.probabilities, labels=places, scale_by_half=False)
    )


def _ks(learned: Floats, held_out: Floats) -> float:
    if not len(learned) or not len(held_out):
        return math.nan
    with np.errstate(divide="ignore"):  # in its p-value, of a few tasks; it is not used
        return float(stats.ks_2samp(learned, held_out, method="asymp").statistic)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
