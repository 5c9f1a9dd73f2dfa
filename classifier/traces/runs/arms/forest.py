"""The isolation forest: how few random cuts part a run from the others (Liu, Ting, Zhou 2008).

scikit-learn grows the trees; they are kept as plain arrays and walked by numpy, since a saved
model may hold no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest as Grower

from ....parameters import Parametrised
from .arm import Codes, Floats, Progress, Scores, Tensors, filled, same_width

LEAF = -1
_NAMES = ("feature", "threshold", "left", "right", "depth")


class IsolationForest(Parametrised):
    """``2 ** (-mean depth / expected depth)`` over ``trees`` trees of 256 rows each."""

    def __init__(self, *, trees: int = 100, seed: int = 0) -> None:
        """Keep the parameters."""
        self.trees = trees
        self.seed = seed
        self.features_ = 0
        self.expected_ = 1.0
        self.nodes_: dict[str, NDArray[Any]] = {}

    def fit(self, values: Floats, codes: Codes, *, progress: Progress | None = None) -> Self:
        """Grow the trees."""
        rows = filled(values)
        grower = Grower(n_estimators=self.trees, random_state=self.seed, n_jobs=1).fit(rows)
        trees = [_arrays(one.tree_) for one in grower.estimators_]
        most = max(len(tree["feature"]) for tree in trees)
        self.nodes_ = {name: _stack([tree[name] for tree in trees], most) for name in _NAMES}
        self.features_ = rows.shape[1]
        self.expected_ = max(1e-9, float(_path_length(np.array([grower.max_samples_]))[0]))
        return self

    def score_samples(self, values: Floats, codes: Codes) -> Scores:
        """``[rows]`` between 0 and 1, higher = more abnormal."""
        return np.asarray(2.0 ** (-self._depths(values).mean(axis=1) / self.expected_))

    def embed(self, values: Floats, codes: Codes) -> Floats:
        """The depth in each tree."""
        return self._depths(values).astype(np.float32)

    def _depths(self, values: Floats) -> Floats:
        same_width(values, self.features_)
        rows = filled(values)
        depths = np.zeros((len(rows), self.nodes_["feature"].shape[0]), np.float32)
        every = np.arange(len(rows))
        for tree in range(depths.shape[1]):
            feature, threshold, left, right, depth = (self.nodes_[n][tree] for n in _NAMES)
            places = np.zeros(len(rows), np.int64)
            going = every
            while len(going):
                going = going[feature[places[going]] != LEAF]
                here = places[going]
                smaller = rows[going, feature[here]] <= threshold[here]
                places[going] = np.where(smaller, left[here], right[here])
            depths[:, tree] = depth[places]
        return depths

    def tensors(self) -> Tensors:
        """The trees, and what their depths are compared with."""
        sizes = np.array([self.features_, self.expected_], np.float64)
        return {**self.nodes_, "sizes": sizes}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back; ValueError where a tree would be left or go in a circle."""
        arm = cls(**params)
        arm.features_, arm.expected_ = int(tensors["sizes"][0]), float(tensors["sizes"][1])
        arm.nodes_ = {name: tensors[name] for name in _NAMES}
        feature, left, right = (arm.nodes_[name] for name in ("feature", "left", "right"))
        same = {nodes.shape for nodes in arm.nodes_.values()}
        if len(same) != 1 or feature.ndim != 2 or arm.expected_ <= 0:
            raise ValueError("the trees do not fit each other")
        inner = feature != LEAF
        own = np.broadcast_to(np.arange(feature.shape[1]), feature.shape)[inner]
        ends = np.stack([left[inner], right[inner]])
        if (ends <= own).any() or (ends >= feature.shape[1]).any():
            raise ValueError("a tree is damaged")
        if (feature[inner] < 0).any() or (feature[inner] >= arm.features_).any():
            raise ValueError("a tree reads a feature that is none")
        return arm


def _arrays(tree: Any) -> dict[str, NDArray[Any]]:
    """One tree of scikit-learn; ``depth`` of a leaf counts the cuts its rows would still need."""
    left, right = tree.children_left, tree.children_right
    leaf = left == -1
    levels = np.zeros(len(left))
    for node in np.flatnonzero(~leaf):  # children come after their parent
        levels[left[node]] = levels[right[node]] = levels[node] + 1
    return {
        "feature": np.where(leaf, LEAF, tree.feature).astype(np.int32),
        "threshold": np.asarray(tree.threshold, np.float64),
        "left": left.astype(np.int32),
        "right": right.astype(np.int32),
        "depth": (levels + _path_length(tree.n_node_samples)).astype(np.float32),
    }


def _path_length(rows: NDArray[Any]) -> Scores:
    """Mean depth of an unsuccessful search in a random tree of so many rows, equation 1 there."""
    many = np.maximum(rows.astype(np.float64), 2.0)
    mean = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, mean))


def _stack(arrays: list[NDArray[Any]], width: int) -> NDArray[Any]:
    filler = {"i": LEAF, "f": 0.0}
    return np.stack(
        [np.pad(a, (0, width - len(a)), constant_values=filler[a.dtype.kind]) for a in arrays]
    )
