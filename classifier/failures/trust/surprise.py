"""How surprising a task is under the tasks that were seen, in four ways that see different things.

- ``unlike any cause``: the likelihood of an unknown cause over that of the kinds of tasks that were
  learned. The unknown one has the codes that nearly all kinds have, and a few others, of which
  only is known how few they are (a symmetric Dirichlet); its facts are those of all tasks. It sees
  new mixtures of known codes.
- ``facts at odds``: how much less likely its sites, statuses and size are with its codes than in
  general. It sees known codes at sites of another kind.
- ``code in excess``: how far each code's count lies in the tail of what the likeliest kind makes
  of that code, summed. It sees a code that is alien to an otherwise familiar task.
- ``far from all``: the distance to the third nearest task that was seen. It supposes no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaincc

from ..arms.latent import Tally
from ..task import FailedTask
from .kinds import Kinds
from .profiles import BINS, FACTORS, Floats, Profiles, Reader

SURPRISES: Final = 4
NEIGHBOUR: Final = 3
KEPT: Final = 10_000  # newest tasks that distances are taken to
SHARED: Final = 0.25  # quantile over the kinds: what the others have, an unknown one has too
USUAL: Final = 3.0  # nats: a tail probability above exp(-3) is no surprise
_TINY = 1e-30
_CHUNK = 1000

Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surprise:
    """What was learned of the tasks that were seen."""

    reader: Reader
    kinds: Kinds
    unknown: Floats  # [codes]: Dirichlet of the unknown cause
    rows: Rows

    @classmethod
    def learn(cls, tasks: Sequence[FailedTask], seed: int = 0) -> Self:
        """Learn from tasks in time order, each with a failure."""
        reader = Reader.learn(tasks)
        profiles = reader.read(tasks)
        tally = profiles.tally
        kinds = Kinds.learn(tally, profiles.places, codes=reader.codes, bins=BINS, seed=seed)
        unknown = kinds.shared(SHARED) + _sparsity(tally, reader.codes)
        return cls(reader, kinds, unknown, profiles.rows[-KEPT:])

    def scores(self, profiles: Profiles) -> Floats:
        """``[tasks, SURPRISES]``: the surprises, each higher where it is more surprised."""
        known = self.kinds.likelihood(profiles.tally, profiles.places)
        at_odds = known.facts - known.both
        unlike = _log_likelihood(profiles.tally, self.unknown) + at_odds
        excess = self._excess(profiles)
        return np.column_stack([unlike, known.codes + at_odds, excess, self.distances(profiles)])

    def distances(self, profiles: Profiles) -> Floats:
        """The distance to the third nearest of the tasks that were seen."""
        rows = profiles.rows
        parts = [_kth(rows[at : at + _CHUNK], self.rows) for at in range(0, len(rows), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty(0)

    def excesses(
        self, profiles: Profiles
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
        """Of each code of each task: task, code, -log of its tail probability, its usual share."""
        tally, shape = profiles.tally, self.kinds.shape
        likeliest = self.kinds.likelihood(tally, profiles.places).likeliest
        tasks, pairs = tally.pairs.nonzero()
        codes, counts = tally.words[pairs], tally.counts[pairs]
        own, whole = shape[likeliest[tasks], codes], shape.sum(axis=1)[likeliest[tasks]]
        rest = np.maximum(whole - own, _TINY)
        tail = betaincc(own, rest, np.clip((counts - 0.5) / tally.totals[tasks], 0.0, 1.0))
        return tasks, codes, -np.log(tail + _TINY), own / whole

    def _excess(self, profiles: Profiles) -> Floats:
        tasks, _, nats, _ = self.excesses(profiles)
        beyond = np.maximum(nats - USUAL, 0.0)
        return np.bincount(tasks, beyond, minlength=len(profiles.facts)).astype(np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned but the vocabulary, by name."""
        return {
            **self.reader.arrays(),
            **self.kinds.arrays(),
            "unknown": self.unknown,
            "rows": self.rows,
        }

    @classmethod
    def restore(cls, reader: Reader, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read :meth:`arrays` back; KeyError or ValueError where they do not fit."""
        kinds = Kinds.restore(arrays, reader.codes, len(FACTORS), BINS)
        unknown, rows = arrays["unknown"], np.asarray(arrays["rows"], dtype=np.float32)
        width = reader.codes + len(FACTORS) - 1
        sound = unknown.shape == (reader.codes,) and np.all((unknown > 0) & np.isfinite(unknown))
        if not sound:
            raise ValueError("a Dirichlet of other codes")
        if rows.ndim != 2 or rows.shape[1] != width or not len(rows) or not np.isfinite(rows).all():
            raise ValueError("rows of other codes")
        return cls(reader, kinds, unknown, rows)


def _kth(rows: Rows, others: Rows) -> Floats:
    lengths = np.einsum("ij,ij->i", others, others)
    squares = np.einsum("ij,ij->i", rows, rows)[:, None] + lengths - 2.0 * (rows @ others.T)
    place = min(NEIGHBOUR, squares.shape[1]) - 1
    nearest = np.partition(squares, place, axis=1)[:, place]
    return np.sqrt(np.maximum(nearest, 0.0)).astype(np.float64)


def _log_likelihood(tally: Tally, shape: Floats) -> Floats:
    """log P(codes | one Dirichlet), less the same constant as kinds leave out."""
    return np.asarray(tally.log_likelihood(shape[None, :])[:, 0])


def _sparsity(tally: Tally, codes: int) -> float:
    """The parameter of the symmetric Dirichlet under which the tasks are likeliest."""
    best = minimize_scalar(
        lambda log: -_log_likelihood(tally, np.full(codes, np.exp(log))).sum(),
        bounds=(-8.0, 1.0),
        method="bounded",
    )
    return float(np.exp(best.x))
