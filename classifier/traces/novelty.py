"""Is a window of a kind that was never seen? P-values by split conformal prediction.

Two surprises: the score of the model, which sees ailments of what it knows, and the distance to
windows it learned from (Ramaswamy, Rastogi and Shim 2000, "Efficient algorithms for mining outliers
from large data sets"), which sees new types of jobs that a model may well reconstruct. The smaller
of their p-values is calibrated once more, because the two are not independent.

Windows are compared with healthy ones of runs that the model did not learn from. Windows of a run
resemble each other, so that a p-value holds over the draw of all of them, not for one run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from .normalise import Scaling

Numbers = NDArray[np.float64]

OWN_KIND: Final = 100  # calibration windows of a type of job from which on it is its own measure
NEIGHBOURS: Final = 3
REMEMBERED: Final = 2000  # windows learned from that distances are measured to
_AT_ONCE: Final = 256  # new windows
KINDS, ARRAYS = "known.json", "known.safetensors"


@dataclass(frozen=True, eq=False)
class Known:
    """What healthy windows are like, of ``profiles [windows, numbers]`` in the units of features.

    ``learned`` are profiles of windows that the model learned from, ``scores`` and ``distances``
    are those of calibration windows, ``kinds`` the types of their jobs.
    """

    learned: Numbers
    scores: Numbers
    distances: Numbers
    kinds: tuple[str, ...]

    @classmethod
    def learn(
        cls,
        learned: Numbers,
        profiles: Numbers,
        scores: Numbers,
        kinds: Sequence[str],
        seed: int,
    ) -> Self:
        """From profiles ``learned`` from, and profiles, scores and kinds of calibration windows."""
        if len(learned) > REMEMBERED:
            drawn = np.random.default_rng(seed).choice(len(learned), REMEMBERED, replace=False)
            learned = learned[np.sort(drawn)]
        judged = np.isfinite(scores)
        kept = tuple(kind for kind, is_judged in zip(kinds, judged, strict=True) if is_judged)
        first = cls(learned, scores[judged], np.zeros(int(judged.sum())), kept)
        return cls(first.learned, first.scores, first.distance(profiles[judged]), kept)

    @cached_property
    def _scaling(self) -> Scaling:
        return Scaling.learn(self.learned[:, None, :].astype(np.float32))

    def _scaled(self, profiles: Numbers) -> NDArray[np.float32]:
        return self._scaling.apply(profiles[:, None, :].astype(np.float32))[0][:, 0]

    @cached_property
    def _tree(self) -> object:
        from scipy.spatial import KDTree

        return KDTree(self._scaled(self.learned))

    def distance(self, profiles: Numbers) -> Numbers:
        """``[windows]``: to the third nearest of those learned from, over scaled numbers."""
        if not len(self.learned) or not len(profiles):
            return np.zeros(len(profiles))
        nth = min(NEIGHBOURS, len(self.learned))
        found, _ = self._tree.query(self._scaled(profiles), k=[nth])  # type: ignore[attr-defined]
        return np.asarray(found[:, 0], dtype=np.float64)

    def unlike(self, profiles: Numbers, scores: Numbers, kinds: Sequence[str]) -> Numbers:
        """``[windows]``: p-values of both surprises together; 1 where there is no score.

        With n calibration windows to compare with none is below 1 / (n + 1).
        """
        distances = self.distance(profiles)
        p = np.ones(len(scores))
        for rows, usual in self._references(kinds):
            known = np.stack([self.scores[usual], self.distances[usual]])
            p[rows] = _both(known, np.stack([scores[rows], distances[rows]]))
        return np.where(np.isfinite(scores), p, 1.0)

    def compared(self, kinds: Sequence[str]) -> Numbers:
        """``[windows]``: with how many calibration windows each is compared."""
        found = np.zeros(len(kinds))
        for rows, usual in self._references(kinds):
            found[rows] = usual.sum()
        return found

    def odd(self, scores: Numbers, kinds: Sequence[str]) -> Numbers:
        """``[windows]``: p-values of the scores alone; 1 where there is none."""
        p = np.ones(len(scores))
        for rows, usual in self._references(kinds):
            p[rows] = _p_values(scores[rows], self.scores[usual])
        return np.where(np.isfinite(scores), p, 1.0)

    def _references(self, kinds: Sequence[str]) -> list[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
        """Rows of each kind with the calibration windows they are compared with: of their kind,
        or all where those are few."""
        theirs, ours = np.array(kinds, dtype=object), np.array(self.kinds, dtype=object)
        found = []
        for kind in dict.fromkeys(kinds):
            own = np.asarray(ours == kind, dtype=np.bool_)
            usual = own if own.sum() >= OWN_KIND else np.ones(len(ours), dtype=np.bool_)
            found.append((np.flatnonzero(theirs == kind), usual))
        return found

    # ---- files ---------------------------------------------------------------------------------

    def files(self) -> dict[str, bytes]:
        """What is known, by file name."""
        arrays = {"learned": self.learned, "scores": self.scores, "distances": self.distances}
        return {
            KINDS: json.dumps(self.kinds).encode(),
            ARRAYS: save_tensors({n: np.ascontiguousarray(a) for n, a in arrays.items()}),
        }

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Read :meth:`files` back; ValueError or KeyError where they are damaged."""
        arrays = load_tensors(files[ARRAYS])
        kinds = tuple(str(kind) for kind in json.loads(files[KINDS]))
        scores, distances = arrays["scores"], arrays["distances"]
        if arrays["learned"].ndim != 2 or not scores.shape == distances.shape == (len(kinds),):
            raise ValueError("no calibration windows")
        if not (np.isfinite(scores).all() and np.isfinite(distances).all()):
            raise ValueError("not all numbers are finite")
        return cls(arrays["learned"], scores, distances, kinds)


def _p_values(scores: Numbers, usual: Numbers) -> Numbers:
    """The share of ``usual`` and the new one itself that are at least as high."""
    return np.asarray((1 + _at_least(scores, usual)) / (len(usual) + 1), dtype=np.float64)


def _at_least(scores: Numbers, usual: Numbers) -> NDArray[np.intp]:
    return np.asarray(len(usual) - np.searchsorted(np.sort(usual), scores, side="left"))


def _both(known: Numbers, new: Numbers) -> Numbers:
    """``[new]``: p-values of the better of two ranks, both ``[2, windows]``, higher is odder.

    Each new one takes its place among all the known, whose ranks it shifts: so it is as any of
    them would be if it came last, and its p-value is exact.
    """
    ranks = np.stack([_at_least(each, each) for each in known])
    best = 1 + np.stack([_at_least(*pair) for pair in zip(new, known, strict=True)]).min(axis=0)
    found = np.empty(new.shape[1])
    for begin in range(0, len(found), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        shifted = ranks[:, None, :] + (new[:, part, None] >= known[:, None, :])
        odder = (shifted.min(axis=0) <= best[part, None]).sum(axis=1)
        found[part] = (1 + odder) / (known.shape[1] + 1)
    return found
