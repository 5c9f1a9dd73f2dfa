"""Parting rows so that those of one run of a workflow stay together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .table import Names

Rows = NDArray[np.intp]


def parts(splits: Names | NDArray[np.int64], count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to learn from and rows held out, ``count`` times; every row is held out once.

    Rows with the same entry of ``splits`` are never parted. ValueError for fewer than ``count``.
    """
    names, codes = np.unique(splits, return_inverse=True)
    if len(names) < count:
        raise ValueError(f"{len(names)} runs cannot be split into {count} parts")
    fold = np.empty(len(names), np.int64)
    fold[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names)) % count
    for part in range(count):
        held = fold[codes] == part
        yield np.flatnonzero(~held), np.flatnonzero(held)
