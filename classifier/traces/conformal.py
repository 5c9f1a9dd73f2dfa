"""How odd a run is among healthy runs: p-values by split conformal prediction.

Runs are what is exchangeable; windows and threads of one run resemble each other. So each healthy
run kept for calibration gives one number, made as that of the run in question is: a run seen in m
windows is compared with what healthy runs showed in their newest m.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alarms import Criterion, Persistence, Scores
from .tracks import Track, by_run, depth_of

MAX_DEPTH = 8  # newest windows of a run that are looked at
ANY_TYPE = ""
_TYPES, _JOBS, _THREADS = "calibration.types", "calibration.jobs", "calibration.threads"


@dataclass(frozen=True)
class Reference:
    """Numbers of the healthy runs that one is compared with, ascending; ``type`` is theirs.

    The empty type stands for all together.
    """

    scores: Scores
    type: str = ANY_TYPE

    @property
    def runs(self) -> int:
        """How many there are."""
        return len(self.scores)

    def p_values(self, scores: Scores) -> Scores:
        """``(1 + number of healthy runs >= score) / (n + 1)``; NaN for NaN.

        Of a run exchangeable with these n it is at most ``a`` with probability at most ``a``,
        taken over the draw of these runs as well (Papadopoulos et al. 2002; Vovk, Gammerman and
        Shafer 2005). With continuous scores that probability is ``floor(a (n + 1)) / (n + 1)``.
        """
        at_least = self.runs - np.searchsorted(self.scores, scores, side="left")
        return np.where(np.isnan(scores), np.nan, (1.0 + at_least) / (self.runs + 1.0))

    def words(self, criterion: Criterion) -> str:
        """With whom a run was compared, and whether that is enough for an alarm."""
        which = "of its type" if self.type else "of any type (its own is unknown or has too few)"
        return criterion.words(self.runs, which)


@dataclass(frozen=True)
class Cell:
    """One run on one node: the p-value of the job there, and of each thread.

    ``p`` is small where the threads are odd on average, a thread's where it is odder than the
    oddest thread of healthy runs; each by itself holds for all nodes and threads of a run together.
    """

    run: str
    node: str
    p: float
    threads: Mapping[int, float] = field(default_factory=dict)
    reference: Reference = field(default_factory=lambda: Reference(np.zeros(0)))


@dataclass(frozen=True)
class Calibration:
    """What healthy runs showed in their newest 1, 2, … windows, ``[runs, depth]`` of each.

    NaN where a run has fewer windows. ``types`` has the type of each run's job.
    """

    types: tuple[str, ...]
    jobs: Scores
    threads: Scores
    persistence: Persistence = field(default_factory=Persistence)
    criterion: Criterion = field(default_factory=Criterion)

    @classmethod
    def empty(cls) -> Calibration:
        """Of no run: every p-value is 1."""
        return cls((), np.zeros((0, 1)), np.zeros((0, 1)))

    @classmethod
    def learn(
        cls,
        tracks: Iterable[Track],
        types: Mapping[str, str] | None = None,
        persistence: Persistence | None = None,
    ) -> Calibration:
        """From healthy runs that no model was trained on; ``types`` has the types of their jobs.

        It looks as far back as half of the runs allow, MAX_DEPTH windows at most.
        """
        runs = by_run(tracks)
        if not runs:
            return cls.empty()
        usual = persistence or Persistence()
        depths = [depth_of(of_run) for of_run in runs.values()]
        depth = min(MAX_DEPTH, int(np.median(depths)))
        found = np.full((2, len(runs), depth), np.nan)
        for row, (of_run, windows) in enumerate(zip(runs.values(), depths, strict=True)):
            for place in range(min(windows, depth)):
                found[:, row, place] = _highest(of_run, place + 1, usual)
        known = types or {}
        return cls(tuple(known.get(run, ANY_TYPE) for run in runs), found[0], found[1], usual)

    @property
    def depth(self) -> int:
        """Newest windows of a run that are looked at."""
        return int(self.jobs.shape[1])

    def reference(self, type: str, depth: int, *, threads: bool = False) -> Reference:
        """The healthy runs to compare a run of ``depth`` windows with: of its type, if enough.

        Enough is what an alarm needs; a run of another or of no type is compared with all.
        """
        column = (self.threads if threads else self.jobs)[:, depth - 1]
        known = np.isfinite(column)
        own = known & np.array([one == type for one in self.types], dtype=bool)
        if type and own.sum() >= self.criterion.runs_needed:
            return Reference(np.sort(column[own]), type)
        return Reference(np.sort(column[known]))

    def newest(self) -> dict[str, Scores]:
        """By type, what healthy runs showed in their newest window, ascending: for nodes.

        Types with too few runs are left out, the empty one has all.
        """
        found = {type: self.reference(type, 1) for type in {ANY_TYPE, *self.types}}
        return {type: one.scores for type, one in found.items() if one.type == type}

    def judge(self, tracks: Iterable[Track], types: Mapping[str, str] | None = None) -> list[Cell]:
        """One cell a track. A run is looked at in as many windows as there are of it on each of
        its nodes, so that its smallest p-value is as valid as one of a single node."""
        known = types or {}
        return [
            cell
            for run, of_run in by_run(tracks).items()
            for cell in self._cells(of_run, known.get(run, ANY_TYPE))
        ]

    def _cells(self, of_run: Sequence[Track], type: str) -> Iterable[Cell]:
        depth = min(self.depth, depth_of(of_run))
        jobs = self.reference(type, depth)
        threads = self.reference(type, depth, threads=True)
        for track in of_run:
            score = np.array([track.of_job(depth, self.persistence)])
            odd = threads.p_values(track.of_threads(depth, self.persistence))
            yield Cell(
                track.run,
                track.node,
                float(jobs.p_values(score)[0]),
                dict(zip(track.threads, map(float, odd), strict=True)),
                jobs,
            )

    # ---- files ---------------------------------------------------------------------------------

    def params(self) -> dict[str, Any]:
        """What JSON holds of it; the types of jobs are names that users gave."""
        return {
            "types": sorted(set(self.types)),
            "needed": self.persistence.needed,
            "among": self.persistence.among,
            "alpha": self.criterion.alpha,
        }

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The numbers, one row a run."""
        order = {type: code for code, type in enumerate(sorted(set(self.types)))}
        codes = np.array([order[type] for type in self.types], dtype=np.int64)
        return {_TYPES: codes, _JOBS: self.jobs, _THREADS: self.threads}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Mapping[str, Any]) -> Calibration:
        """Read both back; KeyError, TypeError or ValueError where they are damaged."""
        names = [str(name) for name in params["types"]]
        codes, jobs, threads = (tensors[name] for name in (_TYPES, _JOBS, _THREADS))
        fits = codes.shape == jobs.shape[:1] and jobs.shape == threads.shape and jobs.ndim == 2
        if not fits or jobs.shape[1] < 1 or np.isinf(jobs).any() or np.isinf(threads).any():
            raise ValueError("the calibration is no table of runs")
        if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < len(names):
            raise ValueError("a run of the calibration has an unknown type")
        persistence = Persistence(int(params["needed"]), int(params["among"]))
        types = tuple(names[int(code)] for code in codes)
        return cls(types, jobs, threads, persistence, Criterion(float(params["alpha"])))


def _highest(of_run: Sequence[Track], depth: int, usual: Persistence) -> tuple[float, float]:
    """The oddest node of a run, and its oddest thread on any node."""
    jobs = max(track.of_job(depth, usual) for track in of_run)
    threads = max(float(np.nanmax(track.of_threads(depth, usual))) for track in of_run)
    return jobs, threads
