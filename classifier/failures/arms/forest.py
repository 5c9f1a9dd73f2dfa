"""Trees of scikit-learn: a random forest, and its histogram gradient boosting.

Both are kept in skops' format, which holds no code: it names types, and those are checked against
a list before anything is made of them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from skops import io as skops
from skops.io.exceptions import UntrustedTypesFoundException

from ..matrix import BLOCKS, Block
from ..resampling import Resampling, Rows
from .arm import Floats
from .labelled import Labels
from .table import COMPACT, Counts, Scaling, TableArm, dense

FILE = "trees.skops"
# What skops does not trust by itself and these estimators are made of.
TRUSTED = frozenset(
    {
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "numpy.dtype",
    }
)


class TreesArm(TableArm):
    """An ensemble of scikit-learn's trees."""

    estimator_: Any

    def _learn(self, rows: Rows, labels: Labels) -> None:
        sample = self._sample(rows, labels)
        self.estimator_ = self._make()
        self.estimator_.fit(self._form(sample.rows), sample.labels, sample.weights)

    def _say(self, rows: Rows) -> Floats:
        return np.asarray(self.estimator_.predict_proba(self._form(rows)), dtype=np.float64)

    def _make(self) -> Any:
        raise NotImplementedError

    def _form(self, rows: Rows) -> Rows:
        return rows

    def _kept(self) -> dict[str, bytes]:
        return {FILE: skops.dumps(self.estimator_)}

    def _read(self, files: Mapping[str, bytes]) -> None:
        data = files[FILE]
        try:
            strange = sorted(set(skops.get_untrusted_types(data=data)) - TRUSTED)
            if strange:
                raise ValueError(f"types that no such arm has: {strange[:3]}")
            self.estimator_ = skops.loads(data, trusted=sorted(TRUSTED))
        except (zipfile.BadZipFile, UntrustedTypesFoundException, OSError) as error:
            raise ValueError("not a skops file of trees") from error
        fitting = type(self.estimator_) is type(self._make())
        if not fitting or self.estimator_.n_features_in_ != self.table_.width:
            raise ValueError("trees of another arm")
        if len(self.estimator_.classes_) != len(self.classes_):
            raise ValueError("trees of other classes")


class ForestArm(TreesArm):
    """Random forest (Breiman 2001)."""

    name = "forest"

    def __init__(
        self,
        *,
        blocks: Sequence[Block] = COMPACT,
        fewest: int = 2,
        counts: Counts = "raw",
        scaling: Scaling = "none",
        resampling: Resampling = "none",
        trees: int = 200,
        leaf: int = 5,
        columns_share: float = 0.1,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """``leaf``: fewest tasks in a leaf; ``columns_share``: of the columns tried at a split."""
        super().__init__(
            blocks=blocks,
            fewest=fewest,
            counts=counts,
            scaling=scaling,
            resampling=resampling,
            seed=seed,
            threads=threads,
        )
        self.trees = trees
        self.leaf = leaf
        self.columns_share = columns_share

    def _make(self) -> RandomForestClassifier:
        return RandomForestClassifier(
            self.trees,
            min_samples_leaf=self.leaf,
            max_features=self.columns_share,
            n_jobs=self.threads,
            random_state=self.seed,
        )


class GradientBoostingArm(TreesArm):
    """Scikit-learn's histogram gradient boosting, on the compact blocks made dense."""

    name = "gradient-boosting"

    def __init__(
        self,
        *,
        blocks: Sequence[Block] = COMPACT,
        fewest: int = 5,
        counts: Counts = "raw",
        scaling: Scaling = "none",
        resampling: Resampling = "none",
        rounds: int = 100,
        leaves: int = 8,
        learning_rate: float = 0.05,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """All ``rounds`` are grown, of trees with ``leaves`` at most."""
        if "cells" in blocks:
            raise ValueError(f"the arm {self.name} is dense: blocks without {BLOCKS[0]!r}, please")
        super().__init__(
            blocks=blocks,
            fewest=fewest,
            counts=counts,
            scaling=scaling,
            resampling=resampling,
            seed=seed,
            threads=threads,
        )
        self.rounds = rounds
        self.leaves = leaves
        self.learning_rate = learning_rate

    def _make(self) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            max_iter=self.rounds,
            max_leaf_nodes=self.leaves,
            learning_rate=self.learning_rate,
            early_stopping=False,
            random_state=self.seed,
        )

    def _form(self, rows: Rows) -> Rows:
        return dense(rows)
