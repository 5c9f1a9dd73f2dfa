"""Is a task of a kind that was never seen? Then a model's probabilities mean nothing.

Four surprises (:mod:`.surprise`) become p-values by cross-fitting: each fifth of the history, in
time order, is scored by a detector that was fitted on the rest, so that what changes over months
is part of what is usual (conformal prediction; Vovk, Gammerman and Shafer 2005; cross-fitting
as in Barber et al. 2021, "Predictive inference with the jackknife+"). Fisher's sum of their
logarithms is calibrated once more in the same way, because the four are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ....jobs.text import printable
from ..arms.keeping import damaged, npz_arrays, npz_bytes
from ..matrix import Vocabulary
from ..task import FailedTask
from .profiles import Floats, Profiles, Reader
from .surprise import SURPRISES, Surprise

FOLDS: Final = 5
LEVEL: Final = 0.05  # p-value from which on a task is called novel
SPEAKS: Final = 0.2  # share of failures under unseen codes that is the reason by itself
ALIEN: Final = 4.6  # nats: a code with a tail probability below 1 % is alien
ARRAYS, VOCABULARY = "novelty.npz", "vocabulary.json"


@dataclass(frozen=True, eq=False)
class Novelty:
    """A fitted detector with the scores of known tasks, sorted, that it did not see."""

    surprise: Surprise
    usual: Floats  # [known tasks, SURPRISES]: each surprise, sorted
    usual_sum: Floats  # [known tasks]: Fisher's sum, sorted
    held_out: Floats = field(default_factory=lambda: np.empty(0))  # see fit(); not kept

    @classmethod
    def fit(cls, tasks: Sequence[FailedTask], seed: int = 0) -> Self:
        """Learn from tasks in time order; those without a failure are left out.

        ``held_out`` has the p-values of the others as if they were new, in their order. With n
        tasks none is below 1 / (n + 1). ValueError where no task has a failure.
        """
        failed = [task for task in tasks if task.cells]
        if not failed:
            raise ValueError("no task has a failure: what is usual cannot be learned")
        scores = _cross_fitted(failed, seed)
        usual = np.sort(scores, axis=0)
        sums = _fisher(scores, usual, known=True)
        ordered = np.sort(sums)
        held_out = _p_value(sums, ordered, known=True)
        return cls(Surprise.learn(failed, seed), usual, ordered, held_out)

    def p_values(self, tasks: Sequence[FailedTask]) -> Floats:
        """How usual each task is: the share of known tasks at least as surprising.

        A task without a failure has 1.
        """
        p = np.ones(len(tasks))
        failed = np.array([bool(task.cells) for task in tasks], dtype=bool)
        if failed.any():
            profiles = self._read([task for task in tasks if task.cells])
            sums = _fisher(self.surprise.scores(profiles), self.usual)
            p[failed] = _p_value(sums, self.usual_sum)
        return p

    @property
    def known(self) -> int:
        """With how many known tasks a p-value compares."""
        return len(self.usual_sum)

    def reason(self, task: FailedTask) -> str:
        """What is unusual about the task, in words; safe to show."""
        if not task.cells:
            return "it has no failure"
        codes = set(self.surprise.reader.vocabulary.codes)
        unseen = sum(count for cell, count in task.cells.items() if cell.code not in codes)
        if unseen >= SPEAKS * task.failures:
            share = unseen / task.failures
            return f"{share:.0%} of the failures have codes that training did not know"
        profiles = self._read([task])
        _, columns, nats, shares = self.surprise.excesses(profiles)
        worst = int(nats.argmax())
        if nats[worst] >= ALIEN:
            return self._alien(profiles, int(columns[worst]), float(shares[worst]))
        distance = float(self.surprise.distances(profiles)[0])
        return f"no past task has such codes at such sites; the nearest are {distance:.2f} away"

    def _alien(self, profiles: Profiles, column: int, usual: float) -> str:
        words = self.surprise.reader.vocabulary.codes
        code = (
            printable(words[column], 40)
            if column < len(words)
            else "codes that training did not know"
        )
        share = profiles.counts[0, column] / profiles.tally.totals[0]
        return f"{share:.0%} of the failures have {code}, in tasks otherwise like it {usual:.1%}"

    def _read(self, tasks: Sequence[FailedTask]) -> Profiles:
        return self.surprise.reader.read(tasks)

    def files(self) -> dict[str, bytes]:
        """What was learned, by file name."""
        arrays = {"usual": self.usual, "usual_sum": self.usual_sum, **self.surprise.arrays()}
        vocabulary = self.surprise.reader.vocabulary.to_json()
        return {ARRAYS: npz_bytes(arrays), VOCABULARY: vocabulary}

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Read :meth:`files` back; ArtifactError where they are damaged."""
        with damaged("novelty"):
            arrays = npz_arrays(files[ARRAYS])
            reader = Reader.restore(Vocabulary.from_json(files[VOCABULARY]), arrays)
            usual, sums = arrays["usual"], arrays["usual_sum"]
            if usual.shape != (len(sums), SURPRISES) or sums.ndim != 1:
                raise ValueError("not what was kept")
            return cls(Surprise.restore(reader, arrays), usual, sums)


def within(budget: float, p_values: Floats, asked: NDArray[np.bool_]) -> float:
    """The largest level, at most 1, at which at most ``budget`` of the known tasks are asked about.

    ``asked`` are those asked about anyway, for instance because no action is cheap enough;
    ``p_values`` those of :attr:`Novelty.held_out`. 0 where ``asked`` alone is over the budget.
    """
    left = int(budget * len(asked)) - int(asked.sum())
    others = np.sort(p_values[~asked])
    if left <= 0 or not len(others):
        return 0.0
    if left >= len(others):
        return 1.0
    return float(np.nextafter(others[left], 0.0))  # the next one up is not asked about


def _cross_fitted(tasks: Sequence[FailedTask], seed: int) -> Floats:
    """``[tasks, SURPRISES]``: the surprises of each task under a fit on the other folds."""
    folds = np.array_split(np.arange(len(tasks)), min(FOLDS, len(tasks)))
    if len(folds) < 2:
        return np.empty((0, SURPRISES))
    parts = []
    for held in folds:
        rest = [*tasks[: held[0]], *tasks[held[-1] + 1 :]]
        surprise = Surprise.learn(rest, seed)
        parts.append(surprise.scores(surprise.reader.read(list(tasks[held[0] : held[-1] + 1]))))
    return np.concatenate(parts)


def _fisher(scores: Floats, usual: Floats, *, known: bool = False) -> Floats:
    columns = zip(scores.T, usual.T, strict=True)
    p_values = [_p_value(column, ordered, known=known) for column, ordered in columns]
    return np.asarray(-np.log(p_values).sum(axis=0))


def _p_value(scores: Floats, usual: Floats, *, known: bool = False) -> Floats:
    """The share of ``usual`` at least as high; a new task counts itself, a known one is in it."""
    at_least = len(usual) - np.searchsorted(usual, scores, side="left")
    more = 0 if known else 1
    return np.asarray((at_least + more) / (len(usual) + more), dtype=np.float64)
