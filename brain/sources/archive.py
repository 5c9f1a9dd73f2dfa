"""The archive of traces: Parquet files below one folder, a partition for each day (UTC).

One process writes; any number may read meanwhile. Files are whole or not there. Nothing is lost or
doubled where the same windows are added again: a window is told apart by its key.
"""

from __future__ import annotations

import heapq
import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ...jobs.windows import TraceWindow
from . import columns, compaction, partitions
from .frames import Frames
from .parts import Damaged, Part

AHEAD_SECONDS = 86400.0  # a window that begins later is not kept: it would never grow old
_TRIES = 10  # of looking into a partition that changes meanwhile
_LEFTOVER_SECONDS = 3600.0
_MAX_THREAD = 2**31
_LATEST = 2.0**36  # a year that has four digits

log = logging.getLogger(__name__)


class Archive:
    """Windows of many days. A damaged file is logged, counted and left out; others are read."""

    def __init__(self, directory: Path) -> None:
        """Nothing is read or made yet."""
        self.directory = directory
        self._damaged: set[Path] = set()
        self._checked: set[Path] = set()

    @property
    def damaged(self) -> int:
        """Files that could not be read since this object was made, and are still there."""
        return sum(path.exists() for path in self._damaged)

    # ---- writing --------------------------------------------------------------------------------

    def add(self, windows: Iterable[TraceWindow], now: float) -> int:
        """Keep windows; they are on the disk when this returns. How many were kept.

        What no table can hold (a time beyond tomorrow, a thread number of 40 digits) is left out,
        with a warning. OSError where the folder cannot be written.
        """
        files: dict[tuple[str, tuple[str, ...]], dict[str, TraceWindow]] = {}
        left_out = 0
        for window in windows:
            if _is_storable(window, now):
                place = (partitions.day_of(window.start), window.features)
                files.setdefault(place, {})[window.key] = window
            else:
                left_out += 1
        for (day, features), found in files.items():
            self._write(self.directory / day, features, found)
        if left_out:
            log.warning("%d windows have impossible numbers and are not archived", left_out)
        return sum(map(len, files.values()))

    def _write(self, day: Path, features: tuple[str, ...], windows: dict[str, TraceWindow]) -> None:
        first = min(window.start for window in windows.values())
        name = partitions.name_of(first, (*features, *sorted(windows)))
        with partitions.writing(day / name) as file, columns.Writer(file, features) as writer:
            for table in columns.tables(windows.values()):
                writer.write(table)

    # ---- reading --------------------------------------------------------------------------------

    def windows(self, since: float, until: float) -> Iterator[TraceWindow]:
        """The windows that begin in ``[since, until)``, oldest first, none twice."""
        for day in partitions.days_between(self.directory, since, until):
            with self._opened(day) as parts:
                yield from self._merged(parts, since, until)

    def _merged(self, parts: Sequence[Part], since: float, until: float) -> Iterator[TraceWindow]:
        """Row groups are unpacked when the oldest of their windows is next, not before."""
        queue: list[tuple[float, str, int, TraceWindow | None, Iterator[TraceWindow]]] = [
            (first, "", number, None, self._sorted(part, group, since, until))
            for number, (part, group, first) in enumerate(_groups(parts, since, until))
        ]
        heapq.heapify(queue)
        before, seen = -math.inf, set[str]()
        while queue:
            start, key, number, window, others = heapq.heappop(queue)
            if window is not None:
                if start > before:
                    before, seen = start, set()
                if key not in seen:
                    seen.add(key)
                    yield window
            following = next(others, None)
            if following is not None:
                entry = (following.start, following.key, number, following, others)
                heapq.heappush(queue, entry)

    def _sorted(self, part: Part, group: int, since: float, until: float) -> Iterator[TraceWindow]:
        found = [window for frames in self._read(part, group, since, until) for window in frames]
        found.sort(key=lambda window: (window.start, window.key))
        yield from found

    def frames(self, since: float, until: float) -> Iterator[Frames]:
        """The same windows as arrays, those of one shape together where they lie together.

        Days come in order; windows of one day in no certain order.
        """
        for day in partitions.days_between(self.directory, since, until):
            with self._opened(day) as parts:
                seen: set[str] | None = set() if len(parts) > 1 else None
                for part, group, _ in _groups(parts, since, until):
                    yield from self._read(part, group, since, until, seen)

    def _read(
        self, part: Part, group: int, since: float, until: float, seen: set[str] | None = None
    ) -> list[Frames]:
        """What a row group holds of a stretch of time; nothing, and a warning, if it is damaged."""
        try:
            table = _between(part.table(group), since, until)
            if seen is not None:
                table = compaction.without(table, seen)
            return part.frames(table)
        except Damaged as error:
            self._note(error)
            return []

    @contextmanager
    def _opened(self, day: Path) -> Iterator[list[Part]]:
        """All readable files of a partition at one moment, oldest first."""
        with ExitStack() as stack:
            for _ in range(_TRIES):
                paths = partitions.parts(day)
                opened = [part for path in paths if (part := self._open(path, stack))]
                # One that went may be joined with others in one that came: then look again.
                if partitions.parts(day) == paths:
                    break
            yield opened

    def _open(self, path: Path, stack: ExitStack) -> Part | None:
        try:
            part = Part(path)
        except FileNotFoundError:
            return None
        except Damaged as error:
            self._note(error)
            return None
        stack.callback(part.close)
        return part

    def _note(self, error: Damaged) -> None:
        if error.path not in self._damaged:
            log.warning("%s", error)
        self._damaged.add(error.path)

    # ---- keeping house --------------------------------------------------------------------------

    def check(self) -> None:
        """Open the files that were not opened by this before, so that what is damaged is known."""
        found = [path for day in partitions.days(self.directory) for path in partitions.parts(day)]
        for path in found:
            if path not in self._checked:
                with ExitStack() as stack:
                    self._open(path, stack)
        self._checked = set(found)

    def compact(self) -> int:
        """Join the many small files of a day into one; how many files were joined."""
        joined = 0
        for day in partitions.days(self.directory):
            whole = [path for path in partitions.parts(day) if path not in self._damaged]
            try:
                joined += compaction.compact(day, whole)
            except Damaged as error:  # the next time without it
                self._note(error)
        return joined

    def prune(self, days: float, max_bytes: float, now: float | None = None) -> int:
        """Remove days older than ``days``, then the oldest files beyond ``max_bytes``; how many.

        ``now`` is epoch seconds, of the clock where it is None.
        """
        now = time.time() if now is None else now
        found = partitions.days(self.directory)
        for day in found:
            partitions.remove(day, partitions.leftovers(day, time.time() - _LEFTOVER_SECONDS))
        old = partitions.days_before(found, now - days * partitions.DAY_SECONDS)
        doomed = [path for day in old for path in partitions.parts(day)]
        left = [path for day in found if day not in old for path in partitions.parts(day)]
        excess = sum(map(partitions.size, left)) - max_bytes
        for path in left:
            if excess <= 0:
                break
            doomed.append(path)
            excess -= partitions.size(path)
        for path in doomed:
            partitions.remove(path.parent, [path])
        return len(doomed)

    def size(self) -> int:
        """Bytes of all files."""
        days = partitions.days(self.directory)
        return sum(partitions.size(path) for day in days for path in partitions.parts(day))


def _groups(parts: Sequence[Part], since: float, until: float) -> Iterator[tuple[Part, int, float]]:
    """The row groups that may hold windows of a stretch of time, and where each begins."""
    for part in parts:
        for group, (first, last) in enumerate(part.groups()):
            if last >= since and first < until:
                yield part, group, first


def _between(table: Any, since: float, until: float) -> Any:
    starts = table["start"].to_numpy()
    wanted = (starts >= since) & (starts < until)
    return table if wanted.all() else table.filter(wanted)


def _is_storable(window: TraceWindow, now: float) -> bool:
    latest = min(now + AHEAD_SECONDS, _LATEST)
    if not (0 <= window.start <= latest and math.isfinite(window.step_seconds) and window.steps):
        return False
    if any(not 0 <= thread < _MAX_THREAD for thread in window.threads):
        return False
    try:
        "".join((window.node, *window.features, *filter(None, window.owners))).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold
        return False
    return True
