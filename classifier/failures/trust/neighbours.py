"""The past tasks that a task resembles, and what was done about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ....jobs.text import printable
from ..arms.keeping import damaged, json_bytes, npz_arrays, npz_bytes
from ..prediction import PastTask
from ..task import Decision, FailedTask

CODES: Final = 0.75  # weight of the codes; the rest is the sites'
ARRAYS, WORDS = "tasks.npz", "tasks.json"


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Past tasks as unit rows: square roots of the shares of their codes and of their sites.

    The distance is Hellinger's: sqrt(1 - BC), where BC is the Bhattacharyya coefficient, the
    product of two rows; 0 is the same shares, 1 nothing in common.
    """

    rows: csr_matrix  # [tasks, words]
    words: Mapping[str, int]  # column of each "code ..." and "site ..."
    names: tuple[str, ...]
    actions: tuple[str, ...]

    @classmethod
    def fit(cls, tasks: Sequence[FailedTask]) -> Self:
        """Keep the tasks that failed and were decided."""
        kept = [task for task in tasks if task.cells and task.decision is not None]
        shares = [_shares(task) for task in kept]
        words = {word: n for n, word in enumerate(sorted({w for row in shares for w in row}))}
        return cls(
            _rows(shares, words),
            words,
            tuple(task.name for task in kept),
            tuple(_in_words(task.decision) for task in kept if task.decision),
        )

    def nearest(self, task: FailedTask, k: int = 3) -> tuple[PastTask, ...]:
        """The ``k`` nearest past tasks, nearest first; those with nothing in common are none."""
        row = np.zeros(len(self.words))
        for word, share in _shares(task).items():
            if word in self.words:
                row[self.words[word]] = np.sqrt(share)
        alike = self.rows @ row
        k = min(k, len(alike))
        if k < 1:
            return ()
        best = np.flatnonzero(alike >= np.partition(alike, -k)[-k])
        best = best[np.lexsort((-best, -alike[best]))][:k]  # of equals the newest
        return tuple(
            PastTask(
                self.names[place],
                float(np.sqrt(max(0.0, 1.0 - alike[place]))),
                self.actions[place],
            )
            for place in best.tolist()
            if alike[place] > 0
        )

    def files(self) -> dict[str, bytes]:
        """What is kept, by file name."""
        rows = {"data": self.rows.data, "indices": self.rows.indices, "indptr": self.rows.indptr}
        told = {"words": list(self.words), "names": self.names, "actions": self.actions}
        return {ARRAYS: npz_bytes(rows), WORDS: json_bytes(told)}

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Read :meth:`files` back; ArtifactError where they are damaged."""
        with damaged("past tasks", RecursionError):
            told: Any = json.loads(files[WORDS])
            words, names, actions = (tuple(told[key]) for key in ("words", "names", "actions"))
            parts = npz_arrays(files[ARRAYS])
            of = (parts["data"], parts["indices"], parts["indptr"])
            rows = csr_matrix(of, shape=(len(names), len(words)), dtype=np.float64)
            rows.check_format(full_check=True)
            sound = bool(np.isfinite(rows.data).all()) and len(actions) == len(names)
            texts = all(isinstance(word, str) for word in (*words, *names, *actions))
            if not sound or not texts or len(set(words)) != len(words):
                raise ValueError("not what was kept")
        return cls(rows, {word: n for n, word in enumerate(words)}, names, actions)


def _shares(task: FailedTask) -> dict[str, float]:
    """The weighted share of each code and each site; together 1."""
    shares: dict[str, float] = {}
    total = task.failures
    for cell, count in task.cells.items():
        for word, weight in ((f"code {cell.code}", CODES), (f"site {cell.site}", 1 - CODES)):
            shares[word] = shares.get(word, 0.0) + weight * count / total
    return shares


def _rows(shares: Sequence[Mapping[str, float]], words: Mapping[str, int]) -> csr_matrix:
    counts: NDArray[np.intp] = np.array([0, *(len(row) for row in shares)], dtype=np.intp)
    columns = [words[word] for row in shares for word in row]
    data = np.sqrt([share for row in shares for share in row.values()])
    matrix = csr_matrix((data, columns, np.cumsum(counts)), shape=(len(shares), len(words)))
    matrix.sort_indices()
    return matrix


def _in_words(decision: Decision) -> str:
    """``acdc, splitting 10x, memory 4000``: the action and what was changed; safe to show."""
    changed = {
        "splitting": decision.splitting,
        "memory": decision.memory,
        "data access": decision.data_access,
    }
    told = [f"{name} {value}" for name, value in changed.items() if value]
    return printable(", ".join([decision.action, *told]))
