"""XGBoost over the failure matrix: counts by code and by site, and the summary of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray

from ..matrix import Block
from ..resampling import Resampling, Rows
from ..task import FailedTask
from .arm import Floats
from .keeping import unfitted
from .labelled import Labels
from .table import COMPACT, Counts, Scaling, TableArm
from .trees import Growth, Progress

FILE = "trees.ubj"


@dataclass(frozen=True)
class Contributions:
    """What each column says for each class, in log-odds (exact SHAP values of the trees).

    ``values`` is ``[tasks, classes, columns + 1]``, the last is what is said before looking;
    ``columns`` are numbers of the vocabulary's columns, or empty where the arm is embedded.
    """

    values: NDArray[np.float32]
    columns: NDArray[np.intp]


class BoostedArm(TableArm):
    """Gradient-boosted trees; parameters are those of :class:`.trees.Growth` and of the table."""

    name = "xgboost"

    booster_: xgboost.Booster

    def __init__(
        self,
        *,
        blocks: Sequence[Block] = COMPACT,
        fewest: int = 5,
        counts: Counts = "raw",
        scaling: Scaling = "none",
        resampling: Resampling = "none",
        rounds: int = 100,
        depth: int | None = None,
        learning_rate: float | None = None,
        max_bin: int = 32,
        leaf_weight: float = 1.0,
        rows_share: float = 1.0,
        columns_share: float | None = None,
        ridge: float = 1.0,
        patience: int | None = None,
        held_out: float = 0.15,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """``progress`` hears how many rounds are done; it changes nothing of what is learned."""
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
        self.depth = depth
        self.learning_rate = learning_rate
        self.max_bin = max_bin
        self.leaf_weight = leaf_weight
        self.rows_share = rows_share
        self.columns_share = columns_share
        self.ridge = ridge
        self.patience = patience
        self.held_out = held_out
        self.progress_ = progress

    def growth(self) -> Growth:
        """How its trees are grown."""
        table = {"blocks", "fewest", "counts", "scaling"}
        params = {name: v for name, v in self.get_params().items() if name not in table}
        return Growth(len(self.classes_), **params)

    def contributions(self, tasks: Sequence[FailedTask]) -> Contributions:
        """What each column of ``tasks`` says for each class."""
        if not hasattr(self, "table_"):
            raise unfitted(self.name)
        table = self.table_
        data = self.growth().data(table.rows(tasks))
        values = np.asarray(self.booster_.predict(data, pred_contribs=True), dtype=np.float32)
        if values.ndim == 2:  # two classes: one score, for the second against the first
            values = np.stack([-values, values], axis=1)
        columns = table.columns if table.components is None else np.empty(0, dtype=np.intp)
        return Contributions(values, columns)

    def _learn(self, rows: Rows, labels: Labels) -> None:
        self.booster_ = self.growth().grow(rows, labels, self.progress_)[0]

    def _say(self, rows: Rows) -> Floats:
        return self.growth().say(self.booster_, rows)

    def _kept(self) -> dict[str, bytes]:
        return {FILE: bytes(self.booster_.save_raw("ubj"))}

    def _read(self, files: Mapping[str, bytes]) -> None:
        self.booster_ = self.growth().read(files[FILE], self.table_.width)
