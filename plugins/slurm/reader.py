"""Who reads accounting, and how a history of any length is read in little memory.

A long time is asked for in slices, because sacct and slurmdbd hold a whole answer in memory. A run
is told in the slice in which it ended. Its ordinal needs the earlier rows of its job too; these are
asked for by a number of jobs at a time, where the reader is not told the ordinal itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from .accounting import Row
from .history import is_told

JOBS_AT_A_TIME = 1000
OLDEST_SECONDS = 366 * 86400.0  # before that, all is one slice


class Reader(Protocol):
    """One way to read accounting. All raise SchedulerError where it cannot be read."""

    slice_seconds: float

    @property
    def sluids(self) -> bool:
        """Are runs named by SLUIDs? Known after :meth:`open`."""

    def open(self) -> None:
        """Find out what there is to read with; raises now what would fail later."""

    def active(self, since: float, until: float) -> Iterator[Row]:
        """The rows of runs that were active between two times (epoch), and perhaps others."""

    def all_of(self, job_ids: Sequence[str]) -> Iterator[Row]:
        """All rows of these jobs, whenever they were."""


def slices(since: float, until: float, now: float, seconds: float) -> Iterator[tuple[float, float]]:
    """The time from ``since`` to ``until`` in parts; the last is open where ``until`` is."""
    last = now if until == math.inf else until
    start = since
    if since >= until:
        return
    if start < last - OLDEST_SECONDS:
        yield start, last - OLDEST_SECONDS
        start = last - OLDEST_SECONDS
    while start + seconds < last:
        yield start, start + seconds
        start += seconds
    yield start, until


def told_rows(
    reader: Reader, start: float, end: float, since: float, note: Callable[[Row], None]
) -> Iterator[list[Row]]:
    """The rows of one slice by some jobs at a time: all of each job of which a run is told.

    ``note`` is called with each row the reader gives, told or not. Runs that ended before
    ``since`` are not told. A job comes again only where its rows lay far apart.
    """
    rows: list[Row] = []
    unsure: set[str] = set()
    for row in reader.active(start, end):
        note(row)
        if not is_told(row, max(start, since), end):
            continue
        if len(rows) + len(unsure) >= JOBS_AT_A_TIME and row.job_id not in unsure:
            yield [*rows, *_all_of(reader, unsure, note)]
            rows, unsure = [], set()
        if row.restarts is None:
            unsure.add(row.job_id)
        else:
            rows.append(row)
    if rows or unsure:
        yield [*rows, *_all_of(reader, unsure, note)]


def _all_of(reader: Reader, job_ids: set[str], note: Callable[[Row], None]) -> Iterator[Row]:
    if job_ids:
        for row in reader.all_of(sorted(job_ids, key=int)):
            note(row)
            yield row
