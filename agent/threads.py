"""The hardware threads: what each did, by /proc/stat."""

from __future__ import annotations

import bisect
import os
from array import array
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from .files import Descriptors, KernelFile
from .parsers import MODES, STAT_WORDS, Stat, proc_stat, stat_cpus, stat_words
from .sources import TICK

# Time that programs take, here or in other virtual machines. What the kernel does is left out: a
# job's own synced writes make kernel threads and interrupts busy on its threads.
_COMPUTING = tuple(1 + MODES.index(mode) for mode in ("user", "nice", "steal"))
_SAME_MOMENT = 0.001  # seconds; less than any two samples are apart


class Others(NamedTuple):
    """What everybody did where a job runs, in seconds over some span of time."""

    computing: float  # user time of all on the threads the job may use
    blocked: float  # waiting for I/O of all tasks of the node, summed over tasks


class ThreadTrace:
    """The newest counters of all threads, and their past: lines as the kernel wrote them.

    The lines of a sample are as long as its numbers would be, and most are never looked at again.
    """

    def __init__(self, proc_root: str, steps: int, slow_rows: int, kept: Descriptors) -> None:
        """Read ``stat`` below ``proc_root``; keep ``steps`` samples, ``slow_rows`` of slow ones."""
        self._path = os.path.join(proc_root, "stat")
        self._kept = kept
        self._file: KernelFile | None = None
        self._history: deque[tuple[float, bytes]] = deque(maxlen=steps)
        self._slow: deque[tuple[float, float, array[int]]] = deque(maxlen=slow_rows)
        self._blocked_seconds = 0.0
        self._online: tuple[int, ...] = ()
        self._names: list[bytes] = []

    def sample(self, now: float, *, slow: bool = True) -> None:
        """Read the counters at the time ``now``; OSError, Gone or ValueError where that fails."""
        if self._file is None:
            self._file = KernelFile(self._path, self._kept)
        stat = proc_stat(self._file.read())
        if self._history:
            self._blocked_seconds += stat.blocked * (now - self._history[-1][0])
        self._history.append((now, stat.lines))
        if slow:
            self._sample_slowly(now, stat)

    def _sample_slowly(self, now: float, stat: Stat) -> None:
        words = stat_words(stat.lines)
        if words[::STAT_WORDS] != self._names:  # a thread went on- or offline
            self._names, self._online = words[::STAT_WORDS], stat_cpus(words)
            self._slow.clear()
        ticks = (map(int, words[column::STAT_WORDS]) for column in _COMPUTING)
        self._slow.append((now, self._blocked_seconds, array("Q", map(sum, zip(*ticks)))))

    @property
    def online(self) -> tuple[int, ...]:
        """The numbers of the threads, ascending; empty where they cannot be read."""
        return self._online

    @property
    def lines(self) -> bytes:
        """The newest lines of all threads; empty where they cannot be read."""
        return self._history[-1][1] if self._history else b""

    def past(self, times: Iterable[float]) -> list[list[bytes] | None]:
        """The words of the samples taken at ``times``, ascending; None for one that is not kept."""
        kept = list(self._history)
        moments = [moment for moment, _ in kept]
        found: list[list[bytes] | None] = []
        for time in times:
            place = bisect.bisect_left(moments, time - _SAME_MOMENT)
            near = place < len(kept) and moments[place] <= time + _SAME_MOMENT
            found.append(stat_words(kept[place][1]) if near else None)
        return found

    def others(self, seconds: float, cpus: Iterable[int] | None) -> Others | None:
        """What everybody did on ``cpus`` (None: on all) in the last ``seconds``.

        None where what is known is younger.
        """
        if not self._slow:
            return None
        now, blocked, ticks = self._slow[-1]
        old_enough = (row for row in reversed(self._slow) if row[0] <= now - seconds)
        before = next(old_enough, None)
        if before is None:
            return None
        _, blocked_before, ticks_before = before
        wanted = set(self._online if cpus is None else cpus)
        grown = sum(
            new - old for cpu, new, old in zip(self._online, ticks, ticks_before) if cpu in wanted
        )
        return Others(grown * 10.0**TICK, blocked - blocked_before)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._file is not None:
            self._file.close()
            self._file = None
