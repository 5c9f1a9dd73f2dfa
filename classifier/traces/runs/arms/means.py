"""The clustering arm: how far a run is from the nearest of the usual kinds of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ....parameters import Parametrised
from .arm import Codes, Floats, Progress, Scores, Tensors, bounded, filled, same_width

MAX_ROWS = 50_000  # to learn from
_AT_ONCE = 65_536


class NearestMean(Parametrised):
    """Squared distance to the nearest of ``clusters`` means (Lloyd 1982)."""

    def __init__(self, *, clusters: int = 16, seed: int = 0) -> None:
        """Keep the parameters."""
        self.clusters = clusters
        self.seed = seed
        self.means_: Floats = np.zeros((0, 0), np.float32)

    def fit(self, values: Floats, codes: Codes, *, progress: Progress | None = None) -> Self:
        """Find the means of at most MAX_ROWS rows drawn by chance."""
        rng = np.random.default_rng(self.seed)
        rows = bounded(values)
        if len(rows) > MAX_ROWS:
            rows = rows[rng.choice(len(rows), MAX_ROWS, replace=False)]
        clusters = min(self.clusters, len(np.unique(rows, axis=0)))
        found = KMeans(clusters, n_init=1, random_state=self.seed)
        with threadpool_limits(1):  # sums keep their order, so the same seed gives the same means
            self.means_ = np.asarray(found.fit(rows).cluster_centers_, np.float32)
        return self

    def score_samples(self, values: Floats, codes: Codes) -> Scores:
        """``[rows]``, higher = more abnormal."""
        return np.asarray(self._distances(values).min(axis=1), dtype=np.float64)

    def embed(self, values: Floats, codes: Codes) -> Floats:
        """The distance to each mean."""
        return np.sqrt(self._distances(values))

    def _distances(self, values: Floats) -> Floats:
        same_width(values, self.means_.shape[1])
        squares = (self.means_**2).sum(axis=1)
        parts = []
        for begin in range(0, max(1, len(values)), _AT_ONCE):
            rows = filled(values[begin : begin + _AT_ONCE])
            parts.append((rows**2).sum(axis=1)[:, None] - 2 * rows @ self.means_.T + squares)
        return np.asarray(np.maximum(np.concatenate(parts), 0.0), dtype=np.float32)

    def tensors(self) -> Tensors:
        """The means."""
        return {"means": self.means_}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back."""
        arm = cls(**params)
        arm.means_ = tensors["means"]
        if arm.means_.ndim != 2:
            raise ValueError("the means are no matrix")
        return arm
