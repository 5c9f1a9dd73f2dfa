"""What an arm did on the folds it was tried on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .intervals import Interval, over_folds
from .scores import SUMMARY, Floats, Said, Scores
from .splits import Indices

FIGURES = (*SUMMARY, "fit_seconds", "predict_seconds")


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One arm on one fold. ``train`` and ``test`` are places of tasks; ``classes`` name columns.

    ``held_out`` and ``learned`` are what it said of them after the fit.
    """

    name: str  # of the fold
    train: Indices
    test: Indices
    classes: tuple[str, ...]
    held_out: Said
    learned: Said
    fit_seconds: float
    predict_seconds: float  # for all held-out tasks
    scores: Scores

    @property
    def labels(self) -> Indices:
        """What was done about each held-out task, as a column."""
        return self.held_out.labels

    @property
    def probabilities(self) -> Floats:
        """What was said of each held-out task: ``[test, classes]``."""
        return self.held_out.probabilities


@dataclass(frozen=True, eq=False)
class ArmResult:
    """One arm on all folds; ``failure`` says why it has none."""

    name: str
    folds: Sequence[FoldResult]
    failure: str = ""

    @cached_property
    def losses(self) -> Floats:
        """The log-loss of every held-out task, fold after fold, in nats."""
        return np.concatenate([fold.held_out.losses for fold in self.folds])

    @property
    def log_loss(self) -> float:
        """Mean over all held-out tasks; infinite where it failed."""
        return math.inf if self.failure else float(self.losses.mean())

    def interval(self, name: str, word: str = "", *, independent: bool = False) -> Interval:
        """The mean over folds of the figure ``name`` of :class:`.scores.Scores`, or of a class's.

        ``independent``: the folds are of different histories, so nothing is shared by them.
        """
        share = 0.0 if independent else _test_share(self.folds)
        return over_folds([_of_fold(fold, name, word) for fold in self.folds], share)


def figure(scores: Scores, name: str, word: str = "") -> float:
    """One figure by its name, of class ``word`` if given; NaN where that class is unknown."""
    return float(getattr(scores.of_class.get(word) if word else scores, name, math.nan))


def _of_fold(fold: FoldResult, name: str, word: str) -> float:
    if name in ("fit_seconds", "predict_seconds"):
        return float(getattr(fold, name))
    return figure(fold.scores, name, word)


def _test_share(folds: Sequence[FoldResult]) -> float:
    return float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
