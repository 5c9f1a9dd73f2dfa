"""Windows of trace as examples: a fair sample, joined with what the store says of their runs."""

from __future__ import annotations

import hashlib
import heapq
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ....jobs.identity import Run
from ....jobs.windows import TraceWindow
from ... import runs
from ..subject import Example

if TYPE_CHECKING:
    from ....classifier.traces.dataset import Recorded

HEALTHY: Final = "healthy"
AILING: Final = "ailing"
NORMAL: Final = "normal"  # a person's label
_FLOAT_BYTES = 4


def is_healthy(example: Example[TraceWindow]) -> bool:
    """May a model learn from it? A person's word counts more than the scheduler's."""
    return example.label == NORMAL or (not example.label and example.truth == HEALTHY)


def is_ailing(example: Example[TraceWindow]) -> bool:
    """Is it a known anomaly?"""
    return example.label not in ("", NORMAL) or (not example.label and example.truth == AILING)


class Sample:
    """A fair sample of windows, as many as ``count`` and ``memory`` bytes hold.

    Those whose keys have the least digests (bottom-k; Cohen and Kaplan 2007, "Summarizing data
    using bottom-k sketches"). So what was not chosen of a day is not chosen of more days either:
    where a day was set apart, what nobody looked at of it does not turn up behind it.
    """

    def __init__(self, count: int, memory: float, seed: int) -> None:
        """Begin empty."""
        self._count, self._memory, self._seed = count, memory, seed
        self._used = 0
        self._seen = 0
        self._kept: list[tuple[int, int, TraceWindow]] = []  # a heap, the largest digest on top

    def add(self, window: TraceWindow) -> None:
        """See one more."""
        self._seen += 1
        heapq.heappush(self._kept, (-_rank(window.key, self._seed), self._seen, window))
        self._used += _size(window)
        while len(self._kept) > self._count or (self._used > self._memory and len(self._kept) > 1):
            self._used -= _size(heapq.heappop(self._kept)[2])

    @property
    def windows(self) -> list[TraceWindow]:
        """What was kept, oldest first."""
        windows = [window for _, _, window in self._kept]
        return sorted(windows, key=lambda window: (window.start, window.key))


def _rank(key: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}/{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _size(window: TraceWindow) -> int:
    return _FLOAT_BYTES * len(window.values)


def sampled(
    windows: Iterable[TraceWindow], newest_since: float, count: int, memory: float, seed: int
) -> list[TraceWindow]:
    """Windows that runs own, oldest first: ``count`` from before ``newest_since`` and as many from
    then on, in ``memory`` bytes, half of them each. Fewer where they do not fit.
    """
    older, newest = (Sample(count, memory / 2, seed) for _ in range(2))
    for window in windows:
        if any(window.owners):
            (newest if window.start >= newest_since else older).add(window)
    return [*older.windows, *newest.windows]


def joined(db: sqlite3.Connection, windows: Iterable[TraceWindow]) -> list[Example[TraceWindow]]:
    """Each window with the type of its job and what became of its runs."""
    known: dict[str, tuple[str, str]] = {}
    examples = []
    for window in windows:
        owners = sorted({owner for owner in window.owners if owner is not None})
        for owner in owners:
            if owner not in known:
                known[owner] = _told(db, owner)
        main = max(owners, key=window.owners.count)
        truth = _together([known[owner][1] for owner in owners])
        group = "+".join(owners)
        examples.append(Example(window.key, window.start, group, known[main][0], truth, window))
    return examples


def _told(db: sqlite3.Connection, key: str) -> tuple[str, str]:
    """Workflow and truth of a run; both empty where the store does not know it."""
    try:
        record = runs.load(db, Run.from_key(key))
    except ValueError:  # a source that names runs in its own way
        return "", ""
    if record is None:
        return "", ""
    truth = ""
    if record.failed or record.warnings:
        truth = AILING
    elif record.succeeded:
        truth = HEALTHY
    return record.facts.workflow, truth


def _together(truths: list[str]) -> str:
    """Of several runs in one window: ailing where one is, healthy where all are."""
    if AILING in truths:
        return AILING
    return HEALTHY if all(truth == HEALTHY for truth in truths) else ""


def of_dataset(recorded: Iterable[Recorded]) -> list[Example[TraceWindow]]:
    """A recorded data set as examples.

    A window of a faulty run before its fault is neither healthy nor ailing: nobody knows how long
    it had been coming.
    """
    from ....classifier.traces.dataset import HEALTHY as NO_FAULT

    return [
        Example(
            key=f"{one.run}/{one.window.key}",
            time=one.window.start,
            group=one.run,
            kind=one.job_type,
            truth=AILING if one.is_faulty else HEALTHY if one.fault == NO_FAULT else "",
            content=one.window,
        )
        for one in recorded
    ]
