"""The isolation forest: what few random cuts set apart from all else is odd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..parameters import Parametrised
from .estimator import (
    SHAPE,
    Progress,
    Scores,
    Tensors,
    UnfittedError,
    measured,
    present,
    rows_of,
    to_learn,
)
from .normalise import Floats, Mask

EULER = 0.5772156649015329
CHUNK = 1 << 14  # rows walked through the trees at once


class IsolationForest(Parametrised):
    """Liu, Ting and Zhou (2008); scikit-learn grows the trees, numpy walks them.

    The score is ``2^(-depth / c)``, with the mean depth of a row over trees and the mean depth
    ``c`` of a search that fails; numbers that were not measured are taken as usual (0).
    """

    explains: ClassVar[bool] = False
    together: ClassVar[bool] = False

    def __init__(self, *, trees: int = 100, seed: int = 0) -> None:
        """Keep the parameters."""
        self.trees, self.seed = trees, seed
        self.shape_ = (0, 0)
        self.learned_: dict[str, NDArray[Any]] = {}

    def fit(
        self,
        values: Floats,
        mask: Mask,
        *,
        validation: tuple[Floats, Mask] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from all measured threads; neither ``validation`` nor ``progress`` is needed."""
        from sklearn.ensemble import IsolationForest as Forest

        rows = to_learn(values, mask)
        self.shape_ = values.shape[2], values.shape[3]
        grown = Forest(n_estimators=self.trees, random_state=self.seed).fit(rows)
        self.learned_ = _arrays([tree.tree_ for tree in grown.estimators_], grown.max_samples_)
        return self

    def score_samples(self, values: Floats, mask: Mask) -> Scores:
        """``[windows, threads]`` between 0 and 1; NaN where nothing was measured."""
        values, mask = self._checked(values, mask)
        there = present(mask)
        scores = np.full(there.shape, np.nan)
        depth = self._depths(rows_of(values, there)).mean(axis=1)
        usual = _mean_depth(self.learned_["drawn"].astype(np.float64))[0]
        scores[there] = 2.0 ** (-depth / max(usual, 1.0))
        return scores

    def errors(self, values: Floats, mask: Mask) -> Scores:
        """ValueError: a forest does not share its score out among numbers."""
        raise ValueError("an isolation forest does not tell which numbers are odd")

    def embed(self, values: Floats, mask: Mask) -> Floats:
        """``[windows, threads, trees]``: the depth in each tree."""
        values, mask = self._checked(values, mask)
        there = present(mask)
        found = np.full((*there.shape, self.trees), np.nan, dtype=np.float32)
        found[there] = self._depths(rows_of(values, there))
        return found

    def tensors(self) -> Tensors:
        """All nodes of all trees, one tree after another, and where each tree begins."""
        if not self.learned_:
            raise UnfittedError
        return {SHAPE: np.array(self.shape_, dtype=np.int64), **self.learned_}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back; ValueError where a node leads out of the forest."""
        model = cls(**params)
        steps, features = (int(number) for number in tensors[SHAPE])
        model.shape_ = steps, features
        model.learned_ = {name: tensors[name] for name in _NAMES}
        _check_nodes(model.learned_, model.trees, steps * features)
        return model

    def _checked(self, values: Floats, mask: Mask) -> tuple[Floats, Mask]:
        if not self.learned_:
            raise UnfittedError
        return measured(values, mask, self.shape_)

    def _depths(self, rows: Floats) -> NDArray[np.float64]:
        """``[rows, trees]``: cuts until a row is alone, or what is usual for the rest."""
        found = np.empty((len(rows), self.trees))
        for begin in range(0, len(rows), CHUNK):
            found[begin : begin + CHUNK] = self._walk(rows[begin : begin + CHUNK])
        return found

    def _walk(self, rows: Floats) -> NDArray[np.float64]:
        left, right, depth = (self.learned_[name] for name in ("left", "right", "depth"))
        feature, threshold = self.learned_["feature"], self.learned_["threshold"]
        node = np.repeat(self.learned_["root"][None], len(rows), axis=0)
        row = np.arange(len(rows))[:, None]
        while (inner := left[node] > node).any():
            smaller = rows[row, feature[node]] <= threshold[node]
            node = np.where(inner, np.where(smaller, left[node], right[node]), node)
        return np.asarray(depth[node], dtype=np.float64)


_NAMES = ("root", "left", "right", "feature", "threshold", "depth", "drawn")


def _arrays(trees: list[Any], drawn: int) -> dict[str, NDArray[Any]]:
    """Nodes of all trees in one row; a leaf leads to itself, other nodes to later ones."""
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])
    nodes = np.arange(starts[-1])
    begin = np.repeat(starts[:-1], np.diff(starts))
    left = np.concatenate([tree.children_left for tree in trees])
    right = np.concatenate([tree.children_right for tree in trees])
    leaf = left < 0
    return {
        "root": starts[:-1].astype(np.int64),
        "left": np.where(leaf, nodes, left + begin).astype(np.int64),
        "right": np.where(leaf, nodes, right + begin).astype(np.int64),
        "feature": np.concatenate([np.maximum(tree.feature, 0) for tree in trees]),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "depth": np.concatenate([_leaf_depths(tree) for tree in trees]),
        "drawn": np.array([drawn], dtype=np.int64),
    }


def _leaf_depths(tree: Any) -> NDArray[np.float64]:
    """Cuts from the root to each node, and what is usual for the rows that end there together."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return np.asarray(depth + _mean_depth(tree.n_node_samples.astype(np.float64)))


def _mean_depth(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean depth of a failed search among ``rows`` in a random binary tree."""
    many = np.maximum(rows, 3.0)
    usual = 2.0 * (np.log(many - 1.0) + EULER) - 2.0 * (many - 1.0) / many
    return np.where(rows > 2, usual, np.where(rows == 2, 1.0, 0.0))


def _check_nodes(learned: Mapping[str, NDArray[Any]], trees: int, inputs: int) -> None:
    count = len(learned["left"])
    of_nodes = ("left", "right", "feature", "threshold", "depth")
    if learned["root"].shape != (trees,) or learned["drawn"].shape != (1,):
        raise ValueError(f"the forest has not {trees} trees")
    if any(learned[name].shape != (count,) for name in of_nodes):
        raise ValueError("nodes of the forest lack some of their numbers")
    for name, limit in (("root", count), ("left", count), ("right", count), ("feature", inputs)):
        if learned[name].min(initial=0) < 0 or learned[name].max(initial=0) >= limit:
            raise ValueError(f"{name} leads out of the forest")
    node = np.arange(count)
    leaf = (learned["left"] == node) & (learned["right"] == node)
    if not (leaf | ((learned["left"] > node) & (learned["right"] > node))).all():
        raise ValueError("nodes of the forest lead in circles")
