"""Figures of detection and of separation, and their intervals over repeated splits."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

from jobmend.classifier.failures.evaluation.intervals import CONFIDENCE, Interval, over_folds
from jobmend.classifier.traces.dataset import HEALTHY

TEST_SHARE = 0.5  # healthy runs that test over those that train, stop and calibrate: 3 and 6
MIN_SPLITS = 5
Rows = NDArray[np.float32]
Names = NDArray[np.str_]


def over_splits(values: Sequence[float], *, share: bool = True) -> Interval:
    """Mean and 95 % interval over repeated splits of one data set, Nadeau and Bengio (2003).

    With ``share`` the figure lies between 0 and 1, and so does its interval.
    """
    found = over_folds(values, TEST_SHARE)
    if not share or math.isnan(found.low):
        return found
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def surely(differences: Sequence[float], comparisons: int) -> tuple[int, Interval]:
    """1 or -1 where the mean difference is above or below 0 beyond chance, else 0; its interval.

    The interval is at 95 % for ``comparisons`` of them together (Bonferroni). Of fewer than
    :data:`MIN_SPLITS` nothing is said: two that agree by accident would have no width.
    """
    found = over_folds(differences, TEST_SHARE, 1 - (1 - CONFIDENCE) / comparisons)
    if found.count < MIN_SPLITS:
        return 0, found
    return int(found.low > 0) - int(found.high < 0), found


def over_splits_log(values: Sequence[float]) -> Interval:
    """Geometric mean of positive figures and its interval, as :func:`over_splits` on logarithms."""
    found = over_folds([math.log(value) for value in values], TEST_SHARE)
    low, mean, high = (math.exp(part) for part in (found.low, found.mean, found.high))
    return Interval(mean, low, high, found.count)


def detection(
    scores: Mapping[str, float],
    runs: Collection[str],
    faults: Mapping[str, str],
    types: Mapping[str, str],
    fault: str | None = None,
) -> tuple[float, float]:
    """AUROC and AUPRC of telling faulty from healthy runs; NaN where one of them is missing.

    Of one ``fault``, its runs stand against the healthy ones of the types it was put on.
    """
    bad = {run for run in runs if faults[run] != HEALTHY and fault in (None, faults[run])}
    like = {types[run] for run in bad}
    good = {run for run in runs if faults[run] == HEALTHY and types[run] in like}
    order = sorted(bad | good)
    if not bad or not good:
        return math.nan, math.nan
    labels = [run in bad for run in order]
    found = [scores[run] for run in order]
    return float(roc_auc_score(labels, found)), float(average_precision_score(labels, found))


def prevalence(
    runs: Collection[str], faults: Mapping[str, str], types: Mapping[str, str], fault: str | None
) -> float:
    """The AUPRC of guessing: the share of faulty runs among those compared."""
    bad = [run for run in runs if faults[run] != HEALTHY and fault in (None, faults[run])]
    like = {types[run] for run in bad}
    good = [run for run in runs if faults[run] == HEALTHY and types[run] in like]
    return len(bad) / max(1, len(bad) + len(good))


def silhouette(rows: Rows, labels: Names) -> float:
    """Mean silhouette (Rousseeuw 1987) of the labels, -1 to 1; NaN for fewer than two of them."""
    if len(set(labels)) < 2 or len(rows) <= len(set(labels)):
        return math.nan
    return float(silhouette_score(rows, labels))


def neighbours_agree(rows: Rows, labels: Names, runs: Names) -> float:
    """The share of rows whose nearest neighbour of another run has the same label."""
    distances, places = NearestNeighbors(n_neighbors=len(rows)).fit(rows).kneighbors(rows)
    del distances
    hits = []
    for row, order in enumerate(places):
        others = order[runs[order] != runs[row]]
        hits.append(labels[others[0]] == labels[row])
    return float(np.mean(hits))
