"""Tasks as rows of numbers, and the arms that are an estimator over such rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import RobustScaler

from ..matrix import BLOCKS, Block, Vocabulary, encode
from ..resampling import NARROW, Resampling, Rows, Sample, resample
from ..task import FailedTask
from .arm import Floats
from .keeping import KeptArm, json_bytes, npz_arrays, npz_bytes, unfitted
from .labelled import Labels, floored, numbered

Counts = Literal["raw", "log"]
Scaling = Literal["none", "robust"]

COMPACT: tuple[Block, ...] = ("codes", "sites", "summary")
EMBEDDED = 64  # columns of the embedding


@dataclass(frozen=True)
class Table:
    """How tasks become float32 rows: which columns, how counted and scaled, embedded or not.

    Scaling divides by the range from the first to the third quartile where it is not 0, and never
    centres, so zeros stay zeros. The embedding is a truncated singular value decomposition.
    """

    vocabulary: Vocabulary
    columns: NDArray[np.intp]  # of the vocabulary's
    counts: Counts
    scale: NDArray[np.float32]
    components: NDArray[np.float32] | None = None  # [embedding, columns]

    @property
    def width(self) -> int:
        """Number of columns of its rows."""
        return len(self.columns) if self.components is None else len(self.components)

    @classmethod
    def learn(
        cls,
        tasks: Sequence[FailedTask],
        *,
        blocks: Sequence[Block] = BLOCKS,
        fewest: int = 1,
        counts: Counts = "raw",
        scaling: Scaling = "none",
        embedded: int = 0,
        seed: int = 0,
    ) -> Table:
        """The table of ``blocks``, of columns that at least ``fewest`` tasks have something in."""
        vocabulary = Vocabulary.learn(tasks)
        matrix = encode(tasks, vocabulary)
        wanted = np.zeros(vocabulary.width, dtype=bool)
        for block in blocks:
            wanted[vocabulary.blocks[block]] = True
        wanted &= np.bincount(matrix.indices, minlength=vocabulary.width) >= fewest
        columns = np.flatnonzero(wanted)
        if not len(columns):
            raise ValueError("no column is left: the tasks have no failures that repeat")
        ones = np.ones(len(columns), dtype=np.float32)
        table = cls(vocabulary, columns, counts, ones)
        if scaling == "robust":
            scaler = RobustScaler(with_centering=False).fit(table.rows(tasks))
            scale = scaler.scale_.astype(np.float32)
            table = cls(vocabulary, columns, counts, np.where(scale > 0, scale, 1))
        if not 0 < embedded < min(matrix.shape[0], len(columns)):
            return table
        svd = TruncatedSVD(embedded, random_state=seed).fit(table.rows(tasks))
        components = svd.components_.astype(np.float32)
        return cls(vocabulary, columns, counts, table.scale, components)

    def rows(self, tasks: Sequence[FailedTask]) -> Rows:
        """``[tasks, width]``, sparse, or dense where it is embedded."""
        matrix = encode(tasks, self.vocabulary)[:, self.columns]
        if self.counts == "log":
            matrix.data = np.log1p(matrix.data)
        matrix.data /= self.scale[matrix.indices]
        if self.components is None:
            return matrix
        return np.asarray(matrix @ self.components.T, dtype=np.float32)

    def files(self) -> dict[str, bytes]:
        """The table by file name."""
        arrays: dict[str, NDArray[Any]] = {"columns": self.columns, "scale": self.scale}
        if self.components is not None:
            arrays["components"] = self.components
        return {
            "vocabulary.json": self.vocabulary.to_json(),
            "table.json": json_bytes({"counts": self.counts}),
            "table.npz": npz_bytes(arrays),
        }

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Table:
        """Read :meth:`files` back; ValueError, KeyError or ArtifactError where damaged."""
        vocabulary = Vocabulary.from_json(files["vocabulary.json"])
        counts = json.loads(files["table.json"])["counts"]
        arrays = npz_arrays(files["table.npz"])
        columns, scale = arrays["columns"], arrays["scale"]
        components = arrays.get("components")
        known = columns.ndim == 1 and columns.dtype.kind == "i" and counts in ("raw", "log")
        if not known or columns.min() < 0 or columns.max() >= vocabulary.width:
            raise ValueError("columns that the vocabulary does not have")
        if scale.shape != columns.shape or not np.all(scale > 0):
            raise ValueError("a scale for other columns")
        if components is not None and components.shape[1:] != columns.shape:
            raise ValueError("an embedding of other columns")
        return cls(vocabulary, columns, counts, scale, components)


def dense(rows: Rows) -> NDArray[np.float32]:
    """``rows`` as a dense array."""
    return np.asarray(rows.toarray() if isinstance(rows, csr_matrix) else rows, dtype=np.float32)


class TableArm(KeptArm):
    """An arm that is an estimator over a :class:`Table`.

    What differs is how that one learns, speaks, is kept and read: the four methods at the end.
    The SMOTE kinds that need narrow rows (``borderline``, ``svm-smote``) put the arm on an
    embedding of 64 columns, where the table is wider than that.
    """

    table_: Table

    def __init__(
        self,
        *,
        blocks: Sequence[Block],
        fewest: int,
        counts: Counts,
        scaling: Scaling,
        resampling: Resampling,
        seed: int,
        threads: int,
    ) -> None:
        """Keep what every such arm is made with; ``fewest``: tasks that a column needs."""
        self.blocks = tuple(blocks)
        self.fewest = fewest
        self.counts: Counts = counts
        self.scaling: Scaling = scaling
        self.resampling: Resampling = resampling
        self.seed = seed
        self.threads = threads

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Learn from tasks in time order; ValueError says what they lack."""
        self.classes_, numbers = numbered(tasks, labels)
        self.table_ = Table.learn(
            tasks,
            blocks=self.blocks,
            fewest=self.fewest,
            counts=self.counts,
            scaling=self.scaling,
            embedded=EMBEDDED if self.resampling in NARROW else 0,
            seed=self.seed,
        )
        self._learn(self.table_.rows(tasks), numbers)
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``; rows sum to 1."""
        if not hasattr(self, "table_"):
            raise unfitted(self.name)
        if not tasks:
            return np.empty((0, len(self.classes_)))
        return floored(self._say(self.table_.rows(tasks)))

    def files(self) -> dict[str, bytes]:
        """What it learned, by file name."""
        if not hasattr(self, "table_"):
            raise unfitted(self.name)
        named = {"classes": list(self.classes_)}
        return {**self.table_.files(), "arm.json": json_bytes(named), **self._kept()}

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.table_ = Table.restore(files)
        self._read(files)

    def _sample(self, rows: Rows, labels: Labels) -> Sample:
        """The training rows with rare classes raised; where a class is alone, as they are."""
        alone = len(np.unique(labels)) < 2
        return resample(rows, labels, "none" if alone else self.resampling, self.seed)

    def _learn(self, rows: Rows, labels: Labels) -> None:
        raise NotImplementedError

    def _say(self, rows: Rows) -> Floats:
        raise NotImplementedError

    def _kept(self) -> dict[str, bytes]:
        raise NotImplementedError

    def _read(self, files: Mapping[str, bytes]) -> None:
        raise NotImplementedError
