"""The scores of one run on one node, window after window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...jobs.windows import TraceWindow
from .alarms import Persistence, Scores


@dataclass(frozen=True)
class Track:
    """``scores`` is ``[windows, threads]`` in order of time; NaN where not owned or measured.

    In each window something was measured.
    """

    run: str
    node: str
    threads: tuple[int, ...]
    scores: Scores

    def of_job(self, depth: int, persistence: Persistence) -> float:
        """How odd the job is on this node in its newest ``depth`` windows, over all threads."""
        means = np.nanmean(self.scores[-depth:], axis=1)
        return float(persistence.statistic(means))

    def of_threads(self, depth: int, persistence: Persistence) -> Scores:
        """``[threads]``: the same of each thread by itself; NaN where it was not measured then."""
        return persistence.statistic(self.scores[-depth:])


def tracks_of(windows: Sequence[TraceWindow], scores: Iterable[Scores]) -> list[Track]:
    """One track a run and node, of ``[threads]`` of each window; they may be in any order.

    Threads beyond those of a window are not looked at. A window that measured nothing of a run is
    none of its windows.
    """
    parts: dict[tuple[str, str], list[tuple[float, dict[int, float]]]] = {}
    for window, row in zip(windows, scores, strict=True):
        of_runs: dict[str, dict[int, float]] = {}
        for owner, thread, score in zip(window.owners, window.threads, row, strict=False):
            if owner is not None and np.isfinite(score):
                of_runs.setdefault(owner, {})[thread] = float(score)
        for run, told in of_runs.items():
            parts.setdefault((run, window.node), []).append((window.start, told))
    return [_track(run, node, told) for (run, node), told in parts.items()]


def _track(run: str, node: str, told: list[tuple[float, dict[int, float]]]) -> Track:
    told.sort(key=lambda one: one[0])
    threads = tuple(sorted({thread for _, row in told for thread in row}))
    rows = [[row.get(thread, np.nan) for thread in threads] for _, row in told]
    return Track(run, node, threads, np.array(rows, dtype=np.float64))


def by_run(tracks: Iterable[Track]) -> Mapping[str, list[Track]]:
    """The tracks of each run, one a node."""
    found: dict[str, list[Track]] = {}
    for track in tracks:
        found.setdefault(track.run, []).append(track)
    return found


def depth_of(tracks: Iterable[Track]) -> int:
    """Windows that there are of a run on each of its nodes."""
    return min(len(track.scores) for track in tracks)
