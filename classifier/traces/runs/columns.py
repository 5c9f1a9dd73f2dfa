"""Telling what a column of numbers is: a value, a point in time, or nothing to learn from.

A name or a clock tells which run a row is, not how it went: a model that reads them learns the
calendar. Points in time are read as differences of each other only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_ROWS = 50  # fewer rows say nothing about what increases, or is unique
NEAR_UNIQUE = 0.9
DENSE = 20.0  # identifiers lie at most so far apart, on average
EPOCH = (1.0e9, 4.2e9)  # seconds since 1970: 2001 to 2103
EPOCH_UNITS = (1.0, 1e3, 1e6, 1e9)
EPOCH_SPREAD = 0.5  # clocks of one table differ by less than this share of themselves
_IDENTIFIER = re.compile(r"(^|[_\W])(id|uid|gid|pid|ppid|uuid|guid)$|[a-z](Id|ID)$")
_AMOUNT = re.compile(r"byte|size|mem|rss|flop|instruction|cycle|count|_b$", re.IGNORECASE)


class Kind(StrEnum):
    """What a column of numbers is; the text is the reason why it is no feature by itself."""

    VALUE = "used"
    TIME = "a point in time: only differences are used"
    EMPTY = "never measured"
    CONSTANT = "constant"
    IDENTIFIER = "an identifier"
    CLOCK = "increases from row to row: a clock or a counter of rows"


def judge(name: str, values: Floats, *, is_time: bool = False) -> Kind:
    """What the column ``name`` is, by its values ``[rows]`` with NaN = not measured.

    ``is_time`` where the table itself says that they are points in time.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Kind.EMPTY
    if known.min() == known.max():
        return Kind.CONSTANT
    if is_time or _is_epoch(name, known):
        return Kind.TIME
    if _IDENTIFIER.search(name):
        return Kind.IDENTIFIER
    whole = len(known) >= MIN_ROWS and bool((known == np.floor(known)).all())
    if whole:
        unique = len(np.unique(known))
        if unique >= NEAR_UNIQUE * len(known) and bool((np.diff(known) >= 0).all()):
            return Kind.CLOCK
        if unique == len(known) and known.max() - known.min() < DENSE * len(known):
            return Kind.IDENTIFIER
    return Kind.VALUE


def _is_epoch(name: str, known: Floats) -> bool:
    if _AMOUNT.search(name):
        return False
    low, middle, high = float(known.min()), float(np.median(known)), float(known.max())
    if high - low > EPOCH_SPREAD * middle:
        return False
    return any(EPOCH[0] * unit <= low and high <= EPOCH[1] * unit for unit in EPOCH_UNITS)


def spans(times: Mapping[str, Floats]) -> list[tuple[str, str]]:
    """Pairs (later, earlier) of points in time worth a difference: neighbours, and the whole.

    They are ordered by how many others each comes after in most rows, since medians of columns
    that are measured in other rows cannot be compared.
    """
    names = list(times)
    after = {name: 0 for name in names}
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            step = times[one] - times[other]
            step = step[~np.isnan(step)]
            if len(step):
                middle = float(np.median(step))
                after[one] += middle > 0
                after[other] += middle < 0
    ordered = sorted(names, key=lambda name: after[name])
    pairs = list(zip(ordered[1:], ordered[:-1], strict=True))
    return [*pairs, (ordered[-1], ordered[0])] if len(ordered) > 2 else pairs
