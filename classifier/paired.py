"""Who errs less on the same examples: losses of two models compared in pairs, group by group.

Examples of one group (a run, a workflow) resemble each other, so a group gives one number: the mean
of its differences. The promise is a sign-flip test of these numbers (Fisher 1935, "The design of
experiments", section 21; exact where they are symmetric about no difference), the interval a
bootstrap over groups (Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LEAST_GROUPS = 8  # fewer have at most 2^7 ways to flip signs, and a bootstrap of them is a guess
ALPHA = 0.05
RESAMPLES = 2000
_BATCH = 200  # resamples held at once


@dataclass(frozen=True)
class Paired:
    """``gain`` is the champion's mean loss less the challenger's, a mean over groups.

    ``low`` and ``high`` hold it with 90 % (one-sided: 95 %). ``p`` is small where the gain is
    greater than the margin asked for. ``champion`` and ``challenger`` are their mean losses. All
    NaN where no pair could be judged.
    """

    gain: float
    low: float
    high: float
    p: float
    groups: int
    won: bool
    champion: float
    challenger: float


def better(
    champion: Numbers, challenger: Numbers, groups: Sequence[str], margin: float, seed: int
) -> Paired:
    """Does the challenger err less than the champion by more than ``margin`` of its mean loss?

    ``champion`` and ``challenger`` are losses of the same examples, none negative, and ``groups``
    is theirs; pairs with a NaN are left out. It has ``won`` where both the interval and the test
    say so with 95 %, one-sided, over at least :data:`LEAST_GROUPS` groups. ValueError where
    lengths differ or a loss is infinite.
    """
    pairs = _by_group(champion, challenger, groups)
    if not len(pairs):
        nan = float(np.nan)
        return Paired(nan, nan, nan, nan, 0, False, nan, nan)
    ours, theirs = pairs.mean(axis=0)
    beyond = (1.0 - margin) * pairs[:, 0] - pairs[:, 1]  # gains over what the margin asks
    low, high = _interval(beyond, seed) + margin * ours
    p = _sign_flip(beyond, seed)
    won = len(pairs) >= LEAST_GROUPS and low > margin * ours and p <= ALPHA
    return Paired(
        float(ours - theirs),
        float(low),
        float(high),
        p,
        len(pairs),
        bool(won),
        float(ours),
        float(theirs),
    )


@dataclass(frozen=True)
class Mean:
    """A mean over groups, with its interval of 90 %; NaN where there are no groups."""

    value: float
    low: float
    high: float
    groups: int


def mean_loss(losses: Numbers, groups: Sequence[str], seed: int) -> Mean:
    """The mean over groups of their mean losses; NaN are left out. ValueError as :func:`better`."""
    pairs = _by_group(losses, losses, groups)
    if not len(pairs):
        return Mean(np.nan, np.nan, np.nan, 0)
    low, high = _interval(pairs[:, 0], seed)
    return Mean(float(pairs[:, 0].mean()), float(low), float(high), len(pairs))


def _by_group(first: Numbers, second: Numbers, groups: Sequence[str]) -> NDArray[Any]:
    """``[groups, 2]``: mean losses of both, of the examples that both have one of."""
    table = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)], axis=1)
    if len(groups) != len(table):
        raise ValueError(f"{len(table)} losses of {len(groups)} examples")
    if np.isinf(table).any():
        raise ValueError("a loss is infinite: a model that errs without bound cannot be compared")
    judged = ~np.isnan(table).any(axis=1)
    _, places = np.unique(np.asarray(groups, dtype=object)[judged].astype(str), return_inverse=True)
    counts = np.bincount(places)
    sums = [np.bincount(places, column) for column in table[judged].T]
    return np.stack(sums, axis=1) / counts[:, None]


def _interval(values: Numbers, seed: int) -> Numbers:
    """The 5th and 95th percentile of the mean over resampled groups."""
    rng, count = np.random.default_rng(seed), len(values)
    means = [
        values[rng.integers(count, size=(_BATCH, count))].mean(axis=1)
        for _ in range(RESAMPLES // _BATCH)
    ]
    return np.asarray(np.percentile(np.concatenate(means), (100 * ALPHA, 100 - 100 * ALPHA)))


def _sign_flip(values: Numbers, seed: int) -> float:
    """One-sided p-value of a mean above 0: the share of flipped signs with as high a mean."""
    if len(values) < 2:  # which scipy refuses
        return 0.5 if values[0] > 0 else 1.0
    from scipy import stats

    def mean(sample: Numbers, axis: int) -> Any:
        return np.mean(sample, axis=axis)

    found = stats.permutation_test(
        (values,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
