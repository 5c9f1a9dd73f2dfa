"""Bringing runs of one task type to one scale: median and spread of each feature, by group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .table import Names

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]

MIN_ROWS = 20  # fewer rows have no spread of their own: theirs is that of all rows
MAX_NUMBERS = 2_000_000  # medians and scales each, 8 MB
SMALLEST_SCALE = 0.05  # on the logarithmic scale: what moves by less than 5 % counts as constant
LARGEST = 200.0  # scales: far enough that grave faults still differ, near enough for float32
UNSEEN = -1
_QUANTILES = (10, 25, 50, 75, 90)


@dataclass(frozen=True)
class GroupScaling:
    """``medians`` and ``scales``: ``[groups + 1, features]``, the last row for unseen groups."""

    names: tuple[str, ...]
    medians: Floats
    scales: Floats

    @classmethod
    def learn(cls, features: Floats, groups: Names) -> GroupScaling:
        """From ``[rows, features]`` with NaN; a feature never measured in a group gets 0 and 1."""
        members = _members(groups)
        large = sorted(members, key=lambda name: -len(members[name]))
        most = MAX_NUMBERS // features.shape[1]
        names = sorted(name for name in large[:most] if len(members[name]) >= MIN_ROWS)
        parts = [_spread(features[members[name]]) for name in names] + [_spread(features)]
        medians, scales = (np.stack(kind).astype(np.float32) for kind in zip(*parts, strict=True))
        return cls(tuple(names), medians, scales)

    def codes(self, groups: Names) -> Codes:
        """The place of each row's group among :attr:`names`; -1 for one that is unseen."""
        places = {name: place for place, name in enumerate(self.names)}
        return np.fromiter((places.get(name, UNSEEN) for name in groups), np.int64, len(groups))

    def apply(self, features: Floats, codes: Codes) -> Floats:
        """In scales from the median, within ±LARGEST; NaN stays."""
        scaled = (features - self.medians[codes]) / self.scales[codes]
        return np.asarray(np.clip(scaled, -LARGEST, LARGEST), dtype=np.float32)

    def tensors(self) -> Mapping[str, Floats]:
        """Medians and scales."""
        return {"medians": self.medians, "scales": self.scales}

    @classmethod
    def from_tensors(
        cls, names: Sequence[str], tensors: Mapping[str, Floats], features: int
    ) -> GroupScaling:
        """Read :meth:`tensors` back; ValueError where shapes do not fit."""
        wanted = (len(names) + 1, features)
        if tensors["medians"].shape != wanted or tensors["scales"].shape != wanted:
            raise ValueError(f"the scaling does not fit {wanted[0] - 1} groups of {features}")
        return cls(tuple(names), tensors["medians"], tensors["scales"])


def members_of(codes: Codes) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each code with the rows that carry it."""
    if not len(codes):
        return
    order = np.argsort(codes, kind="stable")
    unique, begins = np.unique(codes[order], return_index=True)
    for code, rows in zip(unique, np.split(order, begins[1:]), strict=True):
        yield int(code), rows


def _members(groups: Names) -> dict[str, NDArray[np.intp]]:
    unique, codes = np.unique(groups, return_inverse=True)
    return {str(unique[code]): rows for code, rows in members_of(codes.astype(np.int64))}


def _spread(features: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median, and the larger of the inner half's and the inner four fifths' normal spread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # features never measured here
        q10, q25, middle, q75, q90 = np.nanpercentile(features, _QUANTILES, axis=0)
    # of a normal distribution these are both its standard deviation
    scale = np.maximum((q75 - q25) / 1.349, (q90 - q10) / 2.563)
    scale = np.where(np.isnan(scale), 1.0, np.maximum(scale, SMALLEST_SCALE))
    return np.nan_to_num(middle), scale
