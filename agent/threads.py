"""The hardware threads: what each did, by /proc/stat."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from .files import Descriptors, KernelFile
from .parsers import MODES, STAT_WORDS, Stat, proc_stat, stat_cpus, stat_words
from .ring import Ring
from .sources import TICK

# Time that programs take, here or in other virtual machines. What the kernel does is left out: a
# job's own synced writes make kernel threads and interrupts busy on its threads.
_COMPUTING = tuple(1 + MODES.index(mode) for mode in ("user", "nice", "steal"))
_TIME, _BLOCKED, _FIRST_THREAD = range(3)  # columns of the slow ring


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
        self._slow_rows = slow_rows
        self._file: KernelFile | None = None
        self._history: deque[tuple[float, bytes]] = deque(maxlen=steps)
        self._slow: Ring | None = None
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
            self._slow = Ring(_FIRST_THREAD + len(self._online), self._slow_rows)
        ticks = (map(int, words[column::STAT_WORDS]) for column in _COMPUTING)
        assert self._slow is not None
        self._slow.push([now, self._blocked_seconds, *map(sum, zip(*ticks))])

    @property
    def online(self) -> tuple[int, ...]:
        """The numbers of the threads, ascending; empty where they cannot be read."""
        return self._online

    @property
    def lines(self) -> bytes:
        """The newest lines of all threads; empty where they cannot be read."""
        return self._history[-1][1] if self._history else b""

    def past(self, times: Iterable[float]) -> list[list[bytes] | None]:
        """The words of the samples taken at ``times``; None for one that is not kept."""
        kept = dict(self._history)
        return [stat_words(kept[time]) if time in kept else None for time in times]

    def others(self, seconds: float, cpus: Iterable[int] | None) -> Others | None:
        """What everybody did on ``cpus`` (None: on all) in the last ``seconds``.

        None where what is known is younger.
        """
        if self._slow is None or not len(self._slow):
            return None
        last = self._slow.row(-1)
        before = self._slow.since(_TIME, last[_TIME] - seconds)
        if before is None:
            return None
        wanted = set(self._online if cpus is None else cpus)
        ticks = sum(
            last[column] - before[column]
            for column, cpu in enumerate(self._online, _FIRST_THREAD)
            if cpu in wanted
        )
        return Others(ticks * 10.0**TICK, last[_BLOCKED] - before[_BLOCKED])

    def close(self) -> None:
        """Give the descriptor back."""
        if self._file is not None:
            self._file.close()
            self._file = None
