"""What is done about tasks of each latent cause, in each situation that makes a difference.

A situation is the answers to at most two questions about a plain fact, such as "more than 150
failures?". The questions are those that tell most of the answers beyond what the causes tell.
Given cause and situation, the share of each answer is drawn towards the cause's, and that towards
the general one, as few tasks say little (a two-step Dirichlet prior).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from .arm import Floats
from .labelled import Labels

QUESTIONS = 2
THRESHOLDS = 32  # tried of each fact, by quantiles
FEWEST = 60  # tasks on each side of a threshold
CHANCE = 0.05  # that a question is asked where none matters
GENERAL = 10.0  # tasks that each cause is thought to have had, answered as all are
OF_CAUSE = 30.0  # tasks that each situation is thought to have had, answered as its cause is
STEPS = 20

Facts = NDArray[np.float32]
_Question = tuple[int, float]  # number of the fact, threshold


@dataclass(frozen=True)
class Policy:
    """``questions [n, 2]``: fact and threshold; ``shares [causes, situations, classes]``."""

    questions: Floats
    shares: Floats

    @classmethod
    def learn(cls, causes: Floats, facts: Facts, answers: Labels, classes: int) -> Policy:
        """Of P(cause | task) ``[tasks, causes]``, facts ``[tasks, facts]`` and answers."""
        one_hot = np.eye(classes)[answers]
        questions = _questions(causes, facts, one_hot)
        situations = 2 ** len(questions)
        where = np.eye(situations)[_situation(questions, facts)]
        general = one_hot.mean(axis=0)
        shares = np.broadcast_to(general, (causes.shape[1], situations, classes)) + 1e-9
        for _ in range(STEPS):
            likely = causes * np.einsum("ksn,ns->nk", shares[:, :, answers], where)
            likely /= likely.sum(axis=1, keepdims=True)
            counts = np.einsum("nk,ns,na->ksa", likely, where, one_hot, optimize=True)
            of_cause = counts.sum(axis=1) + GENERAL * general
            of_cause /= of_cause.sum(axis=1, keepdims=True)
            shares = counts + OF_CAUSE * of_cause[:, None] + 1e-9
            shares /= shares.sum(axis=2, keepdims=True)
        asked = np.array(questions, dtype=np.float64).reshape(-1, 2)
        return cls(asked, np.ascontiguousarray(shares))

    def say(self, causes: Floats, facts: Facts) -> Floats:
        """P(answer | task), ``[tasks, classes]``."""
        questions = [(int(fact), float(threshold)) for fact, threshold in self.questions]
        chosen = self.shares[:, _situation(questions, facts)]  # [causes, tasks, classes]
        return np.asarray(np.einsum("nk,kna->na", causes, chosen))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it learned, by name."""
        return {"questions": self.questions, "shares": self.shares}

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], causes: int, facts: int, classes: int
    ) -> Policy:
        """Read :meth:`arrays` back; ValueError where their shapes do not fit."""
        questions, shares = arrays["questions"], arrays["shares"]
        known = questions.shape[1:] == (2,) and len(questions) <= QUESTIONS
        if not known or not np.all((questions[:, 0] >= 0) & (questions[:, 0] < facts)):
            raise ValueError("questions about other facts")
        if shares.shape != (causes, 2 ** len(questions), classes) or not np.all(shares > 0):
            raise ValueError("shares of other causes or classes")
        return cls(questions, shares)


def _situation(questions: list[_Question], facts: Facts) -> Labels:
    """Number of the situation of each task: one binary digit a question."""
    number = np.zeros(len(facts), dtype=np.intp)
    for fact, threshold in questions:
        number = 2 * number + (facts[:, fact] > threshold)
    return number


def _questions(causes: Floats, facts: Facts, one_hot: Floats) -> list[_Question]:
    """The questions that gain most log-likelihood of the answers, given the causes."""
    chosen: list[_Question] = []
    for _ in range(QUESTIONS):
        where = np.eye(2 ** len(chosen))[_situation(chosen, facts)]
        # [tasks, causes * situations]: what is told already
        told = (causes[:, :, None] * where[:, None, :]).reshape(len(facts), -1)
        whole = told.T @ one_hot
        gains = {
            (fact, threshold): _gain(told, whole, one_hot, facts[:, fact] > threshold)
            for fact in range(facts.shape[1])
            for threshold in _thresholds(facts[:, fact])
        }
        best = max(gains, key=lambda question: gains[question], default=None)
        if best is None or gains[best] < _by_chance(whole.size - len(whole), facts.shape[1]):
            break
        chosen.append(best)
    return chosen


def _by_chance(parameters: int, facts: int) -> float:
    """What the best of ``facts`` questions hardly ever gains where none matters.

    Twice the gain is chi-squared then; the bound is that of Laurent and Massart (2000, lemma 1).
    """
    surprise = math.log(facts / CHANCE)
    return parameters / 2 + math.sqrt(parameters * surprise) + surprise


def _gain(told: Floats, whole: Floats, one_hot: Floats, above: NDArray[np.bool_]) -> float:
    if min(above.sum(), (~above).sum()) < FEWEST:
        return 0.0
    part = told[above].T @ one_hot[above]
    return _fit(part) + _fit(np.maximum(whole - part, 0.0)) - _fit(whole)


def _fit(counts: Floats) -> float:
    """The greatest log-likelihood of answers that came so often."""
    return float(xlogy(counts, counts).sum() - xlogy(*[counts.sum(axis=1)] * 2).sum())


def _thresholds(values: Facts) -> list[float]:
    places = np.quantile(values, np.linspace(0, 1, THRESHOLDS + 2)[1:-1], method="lower")
    return [float(place) for place in np.unique(places)]
