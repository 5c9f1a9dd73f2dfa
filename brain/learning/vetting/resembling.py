"""Which examples resemble which, by their measured numbers: neighbours, and what was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..subject import Measured, Numbers

FEWEST_ACCEPTED: Final = 5  # of a kind, before what resembles them is accepted too
NEAR: Final = 0.95  # of the accepted are as near to the next one
FAR: Final = 10.0  # usual spreads: what is further out in one number is no further
_NORMAL_IQR = 1.349  # of the standard normal distribution


@dataclass(frozen=True, eq=False)
class Space:
    """Measured numbers on one scale: 0 is the median of the usual ones, 1 their spread.

    The spread is the interquartile range over 1.349, which a standard normal distribution has; the
    standard deviation where half of the values are the same. What was not measured lies at 0.
    """

    names: tuple[str, ...]
    low: Numbers  # [features]: quantiles of what is usual, 5 %
    middle: Numbers
    high: Numbers  # 95 %
    spread: Numbers

    @classmethod
    def of(cls, usual: Measured) -> Space:
        """The scale of usual examples; where a feature was never measured it counts for nothing."""
        known = np.where(np.isfinite(usual.values), usual.values, np.nan)
        measured = ~np.isnan(known).all(axis=0) if len(known) else np.zeros(len(usual.names), bool)
        points = np.full((5, len(usual.names)), np.nan)
        deviation = np.full(len(usual.names), np.nan)
        if measured.any():
            levels = (0.05, 0.25, 0.5, 0.75, 0.95)
            points[:, measured] = np.nanquantile(known[:, measured], levels, axis=0)
            deviation[measured] = np.nanstd(known[:, measured], axis=0)
        spread = (points[3] - points[1]) / _NORMAL_IQR
        spread = np.where(spread > 0, spread, deviation)
        return cls(usual.names, points[0], points[2], points[4], np.where(spread > 0, spread, 1.0))

    def place(self, values: Numbers) -> Numbers:
        """``[examples, features]`` on the scale, within ±10."""
        scaled = (values - self.middle) / self.spread
        return np.nan_to_num(np.clip(scaled, -FAR, FAR), nan=0.0)


def neighbours(
    space: Space, usual: Numbers, values: Numbers, k: int
) -> list[list[tuple[int, float]]]:
    """For each row of ``values`` the ``k`` nearest rows of ``usual`` with their distances.

    Both are numbers as measured; the distance is Euclid's on the scale of ``space``.
    """
    k = min(k, len(usual))
    if not k:
        return [[] for _ in values]
    found, places = cKDTree(space.place(usual)).query(space.place(values), k=range(1, k + 1))
    return [
        [(int(place), float(distance)) for place, distance in zip(row, far, strict=True)]
        for row, far in zip(places, found, strict=True)
    ]


def alike(
    accepted: Numbers, accepted_kinds: Sequence[str], placed: Numbers, kinds: Sequence[str]
) -> NDArray[np.bool_]:
    """``[examples]``: does it resemble what a person accepted of its kind?

    It does where it is as near to an accepted one as 95 % of those are to the next; of fewer than
    five nothing follows. ``accepted`` and ``placed`` are on the scale of a :class:`Space`.
    """
    found = np.zeros(len(placed), dtype=bool)
    for kind in set(accepted_kinds) & set(kinds):
        known = accepted[[it == kind for it in accepted_kinds]]
        if len(known) < FEWEST_ACCEPTED:
            continue
        tree = cKDTree(known)
        apart = np.quantile(tree.query(known, k=2)[0][:, 1], NEAR)
        here = np.array([it == kind for it in kinds], dtype=bool)
        found[here] = tree.query(placed[here], k=1)[0] <= apart
    return found
