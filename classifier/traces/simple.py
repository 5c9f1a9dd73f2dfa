"""The simple models beside the networks: principal components and k-means, thread by thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ..parameters import Parametrised
from .estimator import (
    SHAPE,
    Progress,
    Scores,
    Tensors,
    UnfittedError,
    check,
    in_blocks,
    mean_errors,
    present,
    rows_of,
    to_learn,
)
from .normalise import Floats, Mask


class Simple(Parametrised):
    """What models of single threads share: rows of numbers in, rows put together again out.

    A subclass learns from rows, 0 where not measured, and says for a row what it takes it for.
    """

    explains: ClassVar[bool] = True
    together: ClassVar[bool] = False

    def __init__(self) -> None:
        """Know nothing yet."""
        self.shape_ = (0, 0)
        self.learned_: dict[str, Floats] = {}

    def learn(self, rows: Floats) -> dict[str, Floats]:
        """What to remember of ``[rows, inputs]``, by name."""
        raise NotImplementedError

    def expected_shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Shape of each learned array but for its first axis where that is free (-1)."""
        raise NotImplementedError

    def width(self) -> int:
        """Numbers a row has in :meth:`codes`."""
        raise NotImplementedError

    def codes(self, rows: Floats, mask: Mask) -> Floats:
        """``[rows, latent]``: where rows lie."""
        raise NotImplementedError

    def reconstruct(self, rows: Floats, mask: Mask) -> Floats:
        """``[rows, inputs]``: what the model takes them for."""
        raise NotImplementedError

    def fit(
        self,
        values: Floats,
        mask: Mask,
        *,
        validation: tuple[Floats, Mask] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from all measured threads; neither ``validation`` nor ``progress`` is needed."""
        rows = to_learn(values, mask)
        self.shape_ = values.shape[2], values.shape[3]
        self.learned_ = self.learn(rows)
        return self

    def score_samples(self, values: Floats, mask: Mask) -> Scores:
        """``[windows, threads]``: mean squared error over what was measured; NaN without."""
        scores = np.full(values.shape[:2], np.nan)
        for block, some, kept in self._blocks(values, mask):
            scores[block] = mean_errors(self._squares(some, kept), kept)
        return scores

    def errors(self, values: Floats, mask: Mask) -> Scores:
        """Squared error of each number; 0 where not measured."""
        found = np.zeros(values.shape)
        for block, some, kept in self._blocks(values, mask):
            found[block] = self._squares(some, kept)
        return found

    def embed(self, values: Floats, mask: Mask) -> Floats:
        """``[windows, threads, latent]``; NaN where nothing was measured."""
        self._check(values, mask)
        found = np.full((*values.shape[:2], self.width()), np.nan, dtype=np.float32)
        for block, some, kept in self._blocks(values, mask):
            there = present(kept)
            found[block][there] = self.codes(rows_of(some, there), rows_of(kept, there))
        return found

    def tensors(self) -> Tensors:
        """What was learned, and steps and features of the windows."""
        if not self.learned_:
            raise UnfittedError
        return {SHAPE: np.array(self.shape_, dtype=np.int64), **self.learned_}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back; ValueError where shapes do not fit each other."""
        model = cls(**params)
        steps, features = (int(number) for number in tensors[SHAPE])
        model.shape_ = steps, features
        for name, shape in model.expected_shapes(steps * features).items():
            learned = tensors[name]
            free = learned.ndim == len(shape) and shape[0] == -1
            if learned.shape != ((learned.shape[0], *shape[1:]) if free else shape):
                raise ValueError(f"{name} does not fit {steps} steps of {features} features")
            model.learned_[name] = learned
        return model

    def _check(self, values: Floats, mask: Mask) -> None:
        if not self.learned_:
            raise UnfittedError
        check(values, mask, self.shape_)

    def _blocks(self, values: Floats, mask: Mask) -> Iterator[tuple[slice, Floats, Mask]]:
        self._check(values, mask)
        each = 4 * values.shape[1] * values.shape[2] * values.shape[3]
        return in_blocks(values, mask, self.shape_, each)

    def _squares(self, values: Floats, mask: Mask) -> Scores:
        everyone = np.ones(values.shape[:2], dtype=bool)
        rows, kept = rows_of(values, everyone), rows_of(mask, everyone)
        error = self.reconstruct(rows, kept) - rows
        squares = np.square(error, dtype=np.float64) * kept
        return np.asarray(squares.reshape(values.shape))


class PrincipalComponents(Simple):
    """Projection on the directions of most variance, Pearson (1901).

    Keeps as many as explain the share ``explained``, ``latent`` at most.
    """

    def __init__(self, *, explained: float = 0.9, latent: int = 16) -> None:
        """Keep the parameters."""
        super().__init__()
        self.explained, self.latent = explained, latent

    def learn(self, rows: Floats) -> dict[str, Floats]:
        """Mean ``[inputs]`` and orthonormal components ``[kept, inputs]``."""
        mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - mean
        variance, directions = np.linalg.eigh(centred.T @ centred)
        cumulated = np.cumsum(np.maximum(variance[::-1], 0.0))
        kept = 1 + int(np.searchsorted(cumulated, self.explained * cumulated[-1]))
        components = directions.T[::-1][: min(kept, self.latent)]
        return {
            "mean": mean.astype(np.float32),
            "components": np.ascontiguousarray(components, dtype=np.float32),
        }

    def expected_shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Of mean and components."""
        return {"mean": (inputs,), "components": (-1, inputs)}

    def width(self) -> int:
        """Number of components."""
        return len(self.learned_["components"])

    def codes(self, rows: Floats, mask: Mask) -> Floats:
        """Coordinates along the components; what was not measured lies at the mean."""
        centred = np.where(mask, rows - self.learned_["mean"], np.float32(0))
        return np.asarray(centred @ self.learned_["components"].T)

    def reconstruct(self, rows: Floats, mask: Mask) -> Floats:
        """Rows projected on the components."""
        codes = self.codes(rows, mask)
        return np.asarray(codes @ self.learned_["components"] + self.learned_["mean"])


class KMeans(Simple):
    """Distance to the nearest of ``clusters`` centres, Lloyd (1982), over what was measured."""

    def __init__(self, *, clusters: int = 16, seed: int = 0) -> None:
        """Keep the parameters."""
        super().__init__()
        self.clusters, self.seed = clusters, seed

    def learn(self, rows: Floats) -> dict[str, Floats]:
        """Centres ``[clusters, inputs]``, fewer where there are fewer rows."""
        from sklearn.cluster import KMeans as Lloyd

        count = min(self.clusters, len(np.unique(rows, axis=0)))
        fitted = Lloyd(count, n_init=4, random_state=self.seed).fit(rows)
        return {"centres": np.asarray(fitted.cluster_centers_, dtype=np.float32)}

    def expected_shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Of the centres."""
        return {"centres": (-1, inputs)}

    def width(self) -> int:
        """Number of clusters."""
        return len(self.learned_["centres"])

    def codes(self, rows: Floats, mask: Mask) -> Floats:
        """Distances to all centres over what was measured, in units of one number's."""
        counted = np.maximum(mask.sum(axis=1, keepdims=True), 1)
        away = np.maximum(self._squared(rows, mask), 0.0) / counted
        return np.asarray(np.sqrt(away), dtype=np.float32)

    def reconstruct(self, rows: Floats, mask: Mask) -> Floats:
        """The nearest centre of each row."""
        nearest = self._squared(rows, mask).argmin(axis=1)
        return np.asarray(self.learned_["centres"][nearest])

    def _squared(self, rows: Floats, mask: Mask) -> Floats:
        """``[rows, clusters]``: squared distances less what is the same for all centres."""
        centres, kept = self.learned_["centres"], mask.astype(np.float32)
        own = np.square(rows * kept).sum(axis=1, keepdims=True)
        return np.asarray(own - 2 * (rows * kept) @ centres.T + kept @ np.square(centres).T)
