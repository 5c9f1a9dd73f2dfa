"""Linear arms: a mean and a quadratic form, of all rows together or of each group by itself.

Mahalanobis' distance weighs a deviation by how rare it is among healthy rows; principal components
count only what lies outside of the space that healthy rows fill (Jackson and Mudholkar 1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ....parameters import Parametrised
from ..grouping import members_of
from .arm import Codes, Floats, Progress, Scores, Tensors, bounded, filled, same_width

FORMS = ("mahalanobis", "pca")
SHRINKAGE = 0.1  # of the covariance to the identity, which is what the scaling would make of it
EXPLAINED = 0.9  # share of the variance that the kept components explain
MIN_ROWS = 50  # of a group with a form of its own, and three rows a feature
MAX_NUMBERS = 3_000_000  # of all forms, 12 MB: a model of all arms has to fit into its file
_AT_ONCE = 65_536


class Quadratic(Parametrised):
    """``(x - mean)' form (x - mean)`` with the mean and form of the row's group.

    Groups of few rows, and unseen ones, have those of all rows. With ``by_group`` off all have.
    """

    def __init__(self, *, form: str = "mahalanobis", by_group: bool = True) -> None:
        """Keep the parameters; ValueError where ``form`` is none of FORMS."""
        if form not in FORMS:
            raise ValueError(f"{form!r} is no form; there are {', '.join(FORMS)}")
        self.form = form
        self.by_group = by_group
        self.codes_: NDArray[np.int64] = np.zeros(0, np.int64)
        self.means_: Floats = np.zeros((0, 0), np.float32)
        self.forms_: Floats = np.zeros((0, 0, 0), np.float32)

    def fit(self, values: Floats, codes: Codes, *, progress: Progress | None = None) -> Self:
        """Learn a form of all rows and one of each group that has enough."""
        rows = bounded(values)
        width = rows.shape[1]
        wanted: list[tuple[int, NDArray[np.intp]]] = []
        if self.by_group:
            enough = max(MIN_ROWS, 3 * width)
            wanted = [pair for pair in members_of(codes) if len(pair[1]) >= enough]
            wanted.sort(key=lambda pair: -len(pair[1]))
            wanted = wanted[: max(0, MAX_NUMBERS // width**2 - 1)]
        parts = [self._learn(rows[members]) for _, members in wanted] + [self._learn(rows)]
        self.codes_ = np.array([code for code, _ in wanted], np.int64)
        self.means_ = np.stack([mean for mean, _ in parts]).astype(np.float32)
        self.forms_ = np.stack([form for _, form in parts]).astype(np.float32)
        return self

    def _learn(self, rows: Floats) -> tuple[Scores, Scores]:
        mean = rows.mean(axis=0, dtype=np.float64)
        width = len(mean)
        away = rows.astype(np.float64) - mean
        covariance = away.T @ away / max(1, len(rows) - 1)
        if self.form == "mahalanobis":
            shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(width)
            return mean, np.linalg.inv(shrunk)
        variance, axes = np.linalg.eigh(covariance)
        variance, axes = np.maximum(variance[::-1], 0.0), axes[:, ::-1]
        explained = np.cumsum(variance) / max(float(variance.sum()), 1e-12)
        kept = axes[:, : min(width - 1, 1 + int(np.searchsorted(explained, EXPLAINED)))]
        return mean, np.eye(width) - kept @ kept.T

    def score_samples(self, values: Floats, codes: Codes) -> Scores:
        """``[rows]``, higher = more abnormal."""
        scores = np.zeros(len(values))
        for place, rows in self._places(values, codes):
            away = filled(values[rows]) - self.means_[place]
            scores[rows] = np.einsum("ij,ij->i", away @ self.forms_[place], away, dtype=np.float64)
        return np.maximum(scores, 0.0)

    def embed(self, values: Floats, codes: Codes) -> Floats:
        """Mahalanobis: whitened rows; principal components: rows within the healthy space."""
        embedded = np.zeros(values.shape, np.float32)
        for place, rows in self._places(values, codes):
            away, form = filled(values[rows]) - self.means_[place], self.forms_[place]
            white = self.form == "mahalanobis"
            embedded[rows] = away @ np.linalg.cholesky(form) if white else away - away @ form
        return embedded

    def _places(self, values: Floats, codes: Codes) -> list[tuple[int, NDArray[np.intp]]]:
        """Places of means and forms with the rows they are for, in bounded pieces."""
        same_width(values, self.means_.shape[1])
        places = {int(code): place for place, code in enumerate(self.codes_)}
        return [
            (places.get(code, len(self.codes_)), rows[begin : begin + _AT_ONCE])
            for code, rows in members_of(codes)
            for begin in range(0, len(rows), _AT_ONCE)
        ]

    def tensors(self) -> Tensors:
        """Group codes, means and forms."""
        return {"codes": self.codes_, "means": self.means_, "forms": self.forms_}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back; ValueError where shapes do not fit each other."""
        arm = cls(**params)
        arm.codes_, arm.means_, arm.forms_ = (tensors[n] for n in ("codes", "means", "forms"))
        count, width = arm.means_.shape
        if arm.forms_.shape != (count, width, width) or arm.codes_.shape != (count - 1,):
            raise ValueError("means, forms and groups do not fit each other")
        return arm
