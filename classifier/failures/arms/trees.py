"""Growing XGBoost's trees (Chen and Guestrin 2016), for the arms that are made of them.

An absent cell is a zero (``missing=0``), so sparse and dense rows are one to them. 32 bins a column
make it fast where rows are wide: counts are small, and finer bins cost time without a gain. So does
trying all columns for each tree: of thousands, each tree is given a thousand drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost

from ..resampling import Resampling, Rows, resample
from .arm import Floats
from .labelled import Labels

Progress = Callable[[int, int], None]  # rounds done, rounds at most

COLUMNS = 1000  # tried for a tree, where there are twice as many or more
FEWEST_HELD_OUT = 40  # with fewer tasks the stopping round is noise


@dataclass(frozen=True)
class Growth:
    """How trees are grown: at most ``rounds`` a class, depth 4 (3 where there are two classes).

    How many rounds is found on the newest ``held_out`` share, which those trees do not see: they
    end ``patience`` rounds after the best. Then all tasks are fitted with that number of rounds,
    because the newest tell most about what comes. With ``patience=0`` all rounds are grown, once.
    ``columns_share`` of the columns are tried for a tree. What is None has its usual value: all
    columns, a learning rate of 0.1 and a patience of 5; and where rows are wide (see
    :data:`COLUMNS`) a thousand columns, 0.3 and 0, because there the search for the number of
    rounds would double the time, and trees that see few of the columns do not over-train in 100.
    ``leaf_weight`` is the least sum of hessians in a leaf, ``ridge`` the L2 penalty on leaves.
    """

    classes: int
    rounds: int = 100
    depth: int | None = None
    learning_rate: float | None = None
    max_bin: int = 32
    leaf_weight: float = 1.0
    rows_share: float = 1.0
    columns_share: float | None = None
    ridge: float = 1.0
    patience: int | None = None
    held_out: float = 0.15
    resampling: Resampling = "none"
    seed: int = 0
    threads: int = 1

    def grow(
        self, rows: Rows, labels: Labels, progress: Progress | None = None, copies: int = 1
    ) -> list[xgboost.Booster]:
        """``copies`` ensembles that differ by their seed, for rows in time order."""
        patience = self._patience(rows.shape[1])
        total = self.rounds * (copies + bool(patience))
        tell = _Teller(progress, total)
        rounds = self._best_rounds(rows, labels, tell) if patience else self.rounds
        boosters = []
        for copy in range(copies):
            tell.begin(self.rounds * (total // self.rounds - copies + copy), self.rounds / rounds)
            boosters.append(self._train(rows, labels, rounds, self.seed + copy, tell))
        tell.end()
        return boosters

    def _best_rounds(self, rows: Rows, labels: Labels, tell: _Teller) -> int:
        """The number of rounds that says the newest tasks best."""
        split = len(labels) - int(self.held_out * len(labels))
        if len(labels) - split < FEWEST_HELD_OUT:
            return self.rounds
        newest = self.data(rows[split:], labels[split:])
        older = (rows[:split], labels[:split])
        return int(self._train(*older, self.rounds, self.seed, tell, newest).best_iteration) + 1

    def _train(
        self,
        rows: Rows,
        labels: Labels,
        rounds: int,
        seed: int,
        tell: _Teller,
        newest: xgboost.DMatrix | None = None,
    ) -> xgboost.Booster:
        alone = len(np.unique(labels)) < 2
        sample = resample(rows, labels, "none" if alone else self.resampling, self.seed)
        callbacks: list[Any] = [tell]
        if newest is not None:
            patience = self._patience(rows.shape[1])
            callbacks.append(xgboost.callback.EarlyStopping(rounds=patience))
        return xgboost.train(
            {**self.settings(rows.shape[1]), "seed": seed},
            self.data(sample.rows, sample.labels, sample.weights),
            num_boost_round=rounds,
            evals=[] if newest is None else [(newest, "newest")],
            callbacks=callbacks,
            verbose_eval=False,
        )

    def settings(self, width: int) -> dict[str, Any]:
        """In XGBoost's words, for rows of ``width`` columns."""
        wide = _is_wide(width)
        several = self.classes > 2
        softmax = {"objective": "multi:softprob", "num_class": self.classes}
        return {
            **(softmax if several else {"objective": "binary:logistic"}),
            "eval_metric": "mlogloss" if several else "logloss",
            "tree_method": "hist",
            "max_depth": self.depth or (4 if several else 3),
            "eta": self.learning_rate or (0.3 if wide else 0.1),
            "max_bin": self.max_bin,
            "min_child_weight": self.leaf_weight,
            "subsample": self.rows_share,
            "colsample_bytree": self.columns_share or (COLUMNS / width if wide else 1.0),
            "lambda": self.ridge,
            "nthread": self.threads,
        }

    def _patience(self, width: int) -> int:
        if self.patience is None:
            return 0 if _is_wide(width) else 5
        return self.patience

    def data(self, rows: Rows, labels: Any = None, weights: Any = None) -> xgboost.DMatrix:
        """Rows as XGBoost wants them; a zero is absent."""
        return xgboost.DMatrix(
            rows, label=labels, weight=weights, missing=0.0, nthread=self.threads
        )

    def say(self, booster: xgboost.Booster, rows: Rows) -> Floats:
        """``[rows, classes]``."""
        said = np.asarray(booster.predict(self.data(rows)), dtype=np.float64)
        return said if said.ndim == 2 else np.column_stack([1 - said, said])

    def read(self, data: bytes, width: int) -> xgboost.Booster:
        """Trees for rows of ``width`` columns out of UBJ; ValueError where they are not."""
        # XGBoost dies of an empty file instead of raising, and reads some that were cut off.
        if data[:1] != b"{" or data[-1:] != b"}":
            raise ValueError("not a file of trees")
        booster = xgboost.Booster({"nthread": self.threads})
        try:
            booster.load_model(bytearray(data))
            said = self.say(booster, np.ones((1, width), dtype=np.float32))
        except xgboost.core.XGBoostError as error:
            raise ValueError("not a file of trees for such rows") from error
        if said.shape[1] != self.classes:
            raise ValueError("trees of other classes")
        return booster


def _is_wide(width: int) -> bool:
    return width >= 2 * COLUMNS


class _Teller(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Tells how many rounds are done; a part that ends early counts as whole."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self.begin(0, 1.0)

    def begin(self, done: int, step: float) -> None:
        """A part begins after ``done`` rounds, each of its rounds counting for ``step``."""
        self._done, self._step = done, step

    def end(self) -> None:
        """All is done."""
        if self._progress is not None:
            self._progress(self._total, self._total)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Called by XGBoost after each round; False lets it go on."""
        if self._progress is not None:
            self._progress(self._done + round((epoch + 1) * self._step), self._total)
        return False
