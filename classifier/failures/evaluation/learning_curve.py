"""Would more history help? Scores against the number of tasks that were learned from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..arms.arm import Arm
from ..task import FailedTask
from .scores import Floats, Said, align
from .splits import Fold, Indices

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
REPEATS = 3
MEASURE = "log-loss (nats)"


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Log-loss ``[sizes, repeats]`` of the tasks learned from and of those held out.

    NaN where a draw could not be learned from, and in repeats that are not made: the whole has
    one.
    """

    sizes: tuple[int, ...]
    train: Floats
    test: Floats
    arm: str = ""


def learning_curve(
    make: Callable[[], Arm],
    tasks: Sequence[FailedTask],
    labels: Sequence[str],
    fold: Fold,
    *,
    shares: Sequence[float] = SHARES,
    repeats: int = REPEATS,
    seed: int = 0,
    step: Callable[[], None] = lambda: None,
) -> LearningCurve:
    """Fit on growing random parts of ``fold.train``, each part holding the smaller ones.

    Score on ``fold.test``, which stays the same. Tasks keep the order they have. ``step`` is
    called after each fit, of which there are ``(len(shares) - 1) * repeats + 1`` where the largest
    share is 1.
    """
    words = sorted(set(labels))
    numbers = np.searchsorted(words, labels).astype(np.intp)
    sizes = tuple(max(1, round(share * len(fold.train))) for share in shares)
    scores = np.full((2, len(sizes), repeats), np.nan)
    for repeat in range(repeats):
        order = np.random.default_rng((seed, repeat)).permutation(fold.train)
        for row, size in enumerate(sizes):
            if repeat and size == len(fold.train):
                continue  # the whole is the same in every repeat
            part = np.sort(order[:size])
            arm = _fitted(make, tasks, labels, part)
            if arm is not None:
                scores[0, row, repeat] = _loss(arm, tasks, numbers, words, part)
                scores[1, row, repeat] = _loss(arm, tasks, numbers, words, fold.test)
            step()
    return LearningCurve(sizes, scores[0], scores[1], make().name)


def _fitted(
    make: Callable[[], Arm], tasks: Sequence[FailedTask], labels: Sequence[str], part: Indices
) -> Arm | None:
    try:
        return make().fit([tasks[place] for place in part], [labels[place] for place in part])
    except ValueError:  # too few tasks, or of one class only
        return None


def _loss(
    arm: Arm, tasks: Sequence[FailedTask], numbers: Indices, words: list[str], places: Indices
) -> float:
    if not len(places):
        return math.nan
    told = arm.predict_proba([tasks[place] for place in places])
    return float(Said(numbers[places], align(told, arm.classes_, words)).losses.mean())
