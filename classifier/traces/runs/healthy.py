"""Which rows a model of healthy runs is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .features import Floats
from .grouping import MIN_ROWS, Codes, GroupScaling, members_of
from .table import Flags, Names, Table

Rows = NDArray[np.intp]

MIN_CLEAN_SPLITS = 10  # runs without any fault from which on they alone are learned from
MIN_CLEAN_SHARE = 0.05  # of healthy rows: fewer are no picture of the rest
TRIM_CLEAN = 0.05  # share of rows left out where all are said to be healthy: labels miss some
TRIM_SPLITS = 0.1  # share of whole runs left out, for the same reason; none of fewer than ten
TRIM_MIXED = 0.30  # the same where rows may be faulty, or suffer from a neighbour's fault
ROUNDS = 3
HUBER = 3.0  # scales: from here on a deviation counts linearly


@dataclass(frozen=True)
class Chosen:
    """Rows to learn from; ``trim`` is the share of the oddest to leave out; ``why`` tells it."""

    rows: Rows
    trim: float
    why: str


def choose(table: Table, *, healthy: bool) -> Chosen:
    """The rows to learn from; ValueError where ``healthy`` is asked for and none is.

    A fault of a node or a store slows its neighbours too. So where enough whole runs of a
    workflow have no fault, their rows alone are healthy; healthy rows beside faulty ones count
    only where there are too few such runs.
    """
    everything = np.arange(len(table))
    if not healthy or table.faulty is None:
        return Chosen(everything, TRIM_MIXED, "all rows; some may be faulty")
    rows = everything[~table.faulty]
    if len(table) and not len(rows):
        raise ValueError("the label says that every row is faulty; --train-on all learns from them")
    if not table.faulty.any():
        return Chosen(rows, TRIM_CLEAN, "all rows: none is labelled faulty")
    clean = np.zeros(0, np.intp) if table.splits is None else _clean(table.splits, table.faulty)
    if not len(clean):
        return Chosen(rows, TRIM_MIXED, "healthy rows; some may suffer from a neighbour's fault")
    # a task type that no clean run holds is still better known by its healthy rows than not at all
    _, codes = np.unique(table.groups, return_inverse=True)
    held = np.bincount(codes[clean], minlength=codes.max() + 1) >= MIN_ROWS
    uncovered = rows[~held[codes[rows]]]
    return Chosen(np.union1d(clean, uncovered), TRIM_CLEAN, "rows of runs without any fault")


def _clean(splits: Names, faulty: Flags) -> Rows:
    _, codes = np.unique(splits, return_inverse=True)
    whole = np.bincount(codes, weights=faulty) == 0
    clean = np.flatnonzero(whole[codes])
    enough = whole.sum() >= MIN_CLEAN_SPLITS and len(clean) >= MIN_CLEAN_SHARE * (~faulty).sum()
    return clean if enough else np.zeros(0, np.intp)


def trim(features: Floats, groups: Names, splits: Names | None, share: float) -> Rows:
    """Places of the rows that are left when the oddest are taken out.

    First the oddest TRIM_SPLITS of runs go, by the mean rank of their rows among those of the same
    group: a fault that nobody labelled touches many rows of its run. Then the oddest ``share`` of
    each group. Scaling and trimming alternate, as in the concentration steps of Rousseeuw and Van
    Driessen's minimum covariance determinant (1999); odd is a sum of Huber losses.
    """
    kept = np.arange(len(features))
    for _ in range(ROUNDS if share > 0.0 else 0):
        scaling = GroupScaling.learn(features[kept], groups[kept])
        codes = scaling.codes(groups)
        odd = huber(scaling.apply(features, codes))
        usual = np.arange(len(features)) if splits is None else _usual(odd, codes, splits)
        keep = np.zeros(len(features), np.bool_)
        for _code, rows in members_of(codes[usual]):
            places = usual[rows]
            keep[places[odd[places] <= np.quantile(odd[places], 1.0 - share)]] = True
        kept = np.flatnonzero(keep)
    return kept


def _usual(odd: NDArray[np.float64], codes: Codes, splits: Names) -> Rows:
    """Rows of the runs that are not among the oddest."""
    ranks = np.zeros(len(odd))
    for _code, rows in members_of(codes):
        ranks[rows] = odd[rows].argsort().argsort() / len(rows)
    _, runs = np.unique(splits, return_inverse=True)
    means = np.bincount(runs, weights=ranks) / np.bincount(runs)
    share = TRIM_SPLITS if TRIM_SPLITS * len(means) >= 1 else 0.0
    return np.flatnonzero((means <= np.quantile(means, 1.0 - share))[runs])


def huber(scaled: Floats) -> NDArray[np.float64]:
    """``[rows]``: the sum of Huber losses of what was measured (Huber 1964)."""
    sizes = np.abs(np.nan_to_num(scaled)).astype(np.float64)
    losses = np.where(sizes < HUBER, sizes**2 / 2, HUBER * sizes - HUBER**2 / 2)
    return np.asarray(losses.sum(axis=1))
