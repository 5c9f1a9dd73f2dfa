"""An isolation forest walked by NumPy: what few cuts set apart from all else is odd."""

from __future__ import annotations

import numpy as np

from .layers import Array, Tensors

EULER = 0.5772156649015329


class Forest:
    """The trees of Liu, Ting and Zhou (2008): all nodes in one row, a leaf leads to itself."""

    def __init__(self, tensors: Tensors, inputs: int) -> None:
        """Take the nodes; ValueError where one leads out of the forest or in circles."""
        self._left, self._right, self._feature = (
            tensors[name].astype(np.int64) for name in ("left", "right", "feature")
        )
        self._root, self._threshold = tensors["root"].astype(np.int64), tensors["threshold"]
        self._depth = tensors["depth"]
        drawn = max(float(tensors["drawn"][0]), 3.0)
        self._usual = 2.0 * (np.log(drawn - 1.0) + EULER) - 2.0 * (drawn - 1.0) / drawn
        count, node = len(self._left), np.arange(len(self._left))
        parts = (self._right, self._feature, self._threshold, self._depth)
        if any(part.shape != (count,) for part in parts) or self._root.ndim != 1:
            raise ValueError("nodes of the forest lack some of their numbers")
        leaf = (self._left == node) & (self._right == node)
        later = np.minimum(self._left, self._right) > node
        inside = (self._left < count) & (self._right < count)
        if not ((leaf | later) & inside).all():
            raise ValueError("nodes of the forest lead nowhere")
        for indices, limit in ((self._root, count), (self._feature, inputs)):
            if not ((indices >= 0) & (indices < limit)).all():
                raise ValueError("the forest asks for what is not there")

    def score(self, rows: Array) -> Array:
        """``2^(-depth / usual depth)`` of each row of numbers."""
        node = np.repeat(self._root[None], len(rows), axis=0)
        row = np.arange(len(rows))[:, None]
        while True:
            inner = self._left[node] > node
            if not inner.any():
                break
            smaller = rows[row, self._feature[node]] <= self._threshold[node]
            node = np.where(inner, np.where(smaller, self._left[node], self._right[node]), node)
        return 2.0 ** (-self._depth[node].mean(axis=1) / max(self._usual, 1.0))
