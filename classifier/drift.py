"""Has the data changed? Two samples compared feature by feature, and words never seen before.

Two measures stand beside each other because each fails where the other holds: of many examples
every difference is significant, of few every difference looks large.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# A rule of thumb of credit scoring: above 0.25 it changed (Lewis 1994, "An Introduction to Credit
# Scoring"; Siddiqi 2006, "Credit Risk Scorecards").
LARGE: Final = 0.25
FAR: Final = 0.02  # of the distance, where there is no index
LEVEL: Final = 0.01  # of the p-values, corrected for the number of features
BINS: Final = 10
FEWEST: Final = 20  # examples on either side: of fewer nothing is said
_PSEUDO = 0.5  # added to each bin's count, so that an empty one has no infinite logarithm


@dataclass(frozen=True)
class Drift:
    """How much one feature changed; NaN is what cannot be said.

    ``psi`` is the population stability index in nats, ``ks`` the largest distance between the two
    distribution functions (of words: the share of examples with an unseen one), ``p`` the p-value
    after correction for the number of features.
    """

    feature: str
    psi: float
    ks: float
    p: float

    @property
    def drifted(self) -> bool:
        """Is the change both large and no chance? Where there is no index, any distance is large
        that is not next to nothing.
        """
        large = self.ks > FAR if math.isnan(self.psi) else self.psi > LARGE
        return self.p <= LEVEL and large


def drifts(names: Sequence[str], reference: Numbers, newest: Numbers) -> tuple[Drift, ...]:
    """Each feature of ``[examples, features]`` compared; none where a side has under 20 examples.

    Rows have to be independent: one for each run or workflow. What was not measured (NaN) is a
    value of its own, so that a feature that vanishes is a change. P-values are those of
    :func:`ks_test`, corrected after Benjamini and Hochberg (1995), "Controlling the false
    discovery rate". ValueError where the shapes do not fit.
    """
    if reference.shape[1:] != (len(names),) or newest.shape[1:] != (len(names),):
        raise ValueError(f"{len(names)} names for {reference.shape} and {newest.shape} numbers")
    if not names or min(len(reference), len(newest)) < FEWEST:
        return ()
    from scipy.stats import false_discovery_control

    columns = list(zip(reference.T, newest.T, strict=True))
    tests = [ks_test(old, new) for old, new in columns]
    corrected = false_discovery_control([p for _, p in tests], method="bh")
    return tuple(
        Drift(name, psi(old, new), distance, float(p))
        for name, (old, new), (distance, _), p in zip(names, columns, tests, corrected, strict=True)
    )


def psi(reference: Numbers, newest: Numbers) -> float:
    """The population stability index of one feature: sum of (q - p) ln(q / p) over bins.

    Bins are bounded by the tenths of ``reference``; a value so common that it is a bound twice has
    a bin of its own, and so has NaN. Without any change its mean is about (bins - 1) (1/n + 1/m)
    (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index").
    """
    counts = _binned(_bounds(reference), reference, newest)
    counts = counts[:, counts.any(axis=0)] + _PSEUDO
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _bounds(reference: Numbers) -> Numbers:
    """The inner bounds of bins; each bin holds its upper one."""
    measured = reference[~np.isnan(reference)]
    if not len(measured):
        return np.empty(0)
    tenths = np.quantile(measured, np.arange(1, BINS) / BINS, method="inverted_cdf")
    bounds, times = np.unique(tenths, return_counts=True)
    with np.errstate(over="ignore"):  # below the least number is -inf, as it should be
        below = np.nextafter(bounds[times > 1], -np.inf)
    return np.unique(np.concatenate([bounds, below]))


def _binned(bounds: Numbers, *samples: Numbers) -> Numbers:
    """``[samples, bins]``: how many values lie in each bin; the last one is NaN's."""
    rows = []
    for values in samples:
        places = np.searchsorted(bounds, values, side="left")
        places[np.isnan(values)] = len(bounds) + 1
        rows.append(np.bincount(places, minlength=len(bounds) + 2))
    return np.array(rows, dtype=np.float64)


def ks_test(reference: Numbers, newest: Numbers) -> tuple[float, float]:
    """Distance and p-value of the two-sample test of Kolmogorov and Smirnov.

    NaN counts as larger than all. Ties make the p-value too large, never too small.
    """
    from scipy.stats import ks_2samp

    # The test looks at the order alone; NaNs are equal, and last, among unique values.
    _, ranks = np.unique(np.concatenate([reference, newest]), return_inverse=True)
    found = ks_2samp(ranks[: len(reference)], ranks[len(reference) :], method="asymp")
    return float(found.statistic), float(found.pvalue)


def ks_uniform(name: str, p_values: Numbers) -> Drift:
    """Are p-values smaller than chance makes them? Then examples are further out than they were.

    The distance is that of the one-sided test of Kolmogorov and Smirnov against the uniform
    distribution. P-values that compare with m known examples are no smaller than 1 / (m + 1), and
    no surer than m examples are: the smallest one tells m, and the test (Smirnov 1939, asymptotic)
    is of two samples. NaN is left out; fewer than 20 leave nothing to say.
    """
    from scipy.stats import kstest

    known = p_values[~np.isnan(p_values)]
    if len(known) < FEWEST:
        return Drift(name, math.nan, math.nan, math.nan)
    distance = float(kstest(known, "uniform", alternative="greater").statistic)
    n, m = len(known), 1 / max(float(known.min()), 1e-9)
    return Drift(name, math.nan, distance, math.exp(-2 * distance**2 * n * m / (n + m)))


def unseen(
    name: str, reference: Iterable[Collection[str]], newest: Iterable[Collection[str]]
) -> Drift:
    """The share of new examples that hold a word (a code, a type of job) no old one holds.

    Compared by a binomial test with what is expected when nothing changed: the share of words that
    were seen once (Good 1953, "The population frequencies of species"), here per example. Fewer
    than 20 examples on either side leave nothing to say.
    """
    from scipy.stats import binomtest

    old, new = [set(words) for words in reference], [set(words) for words in newest]
    if min(len(old), len(new)) < FEWEST:
        return Drift(name, math.nan, math.nan, math.nan)
    seen = Counter(word for words in old for word in words)
    once = sum(any(seen[word] == 1 for word in words) for words in old)
    strange = sum(any(word not in seen for word in words) for words in new)
    expected = min(1.0, (once + 1) / (len(old) + 1))
    found = binomtest(strange, len(new), expected, alternative="greater")
    return Drift(name, math.nan, strange / len(new), float(found.pvalue))
