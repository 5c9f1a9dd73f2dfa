"""How a turn goes its steps: each once, its output in the journal, its duration in the log."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..store import Store
from . import turns
from .journal import Entry, Journal
from .work import Work

log = logging.getLogger("jobmend.learning")

OTHER_STEPS = 8  # than the training of arms

Output = TypeVar("Output")
Reached = Callable[[str], None]  # told of each point of a turn: where tests interrupt it


class Course:
    """The steps of one turn. One that stands in the journal is not done again."""

    def __init__(self, work: Work[Any], store: Store, clock: float, reached: Reached) -> None:
        """Go on where the journal ends; ``clock`` is the time now, seconds since the epoch."""
        self._work = work
        self._store = store
        self._reached = reached
        self._clock, self._started = clock, time.monotonic()
        self._journal = Journal(work.folder)
        self._before = sum(entry.seconds for entry in self._journal.entries)
        self._steps = OTHER_STEPS + len(work.subject.arms)
        self.seconds: dict[str, float] = {}

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock + time.monotonic() - self._started

    def left(self) -> float:
        """Seconds that the turn may still take."""
        taken = self._before + time.monotonic() - self._started
        return self._work.config.learning.turn_minutes * 60 - taken

    def step(
        self,
        name: str,
        kind: type[Output],
        do: Callable[[], Output],
        files: Iterable[str] | Callable[[Output], Iterable[str]] = (),
    ) -> Output:
        """Do step ``name``, unless it is done; ``files`` of the turn's folder are what it writes.

        Steps behind one that is done are done again.
        """
        known = self._journal.find(name, kind)
        if known is not None:
            self._note(self._journal.entry(name))
            return known
        self._journal.keep(self.seconds)
        self._work.tell(f"{self._work.subject.name}: {name}", len(self.seconds), self._steps)
        self._reached(f"{name}:before")
        begun, cpu = time.monotonic(), time.process_time()
        output = do()
        self._reached(f"{name}:unwritten")
        cost = {
            "cpu_seconds": time.process_time() - cpu,
            "peak_bytes": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024),
        }
        at, seconds = self._clock + begun - self._started, time.monotonic() - begun
        written = files(output) if callable(files) else files
        self._note(self._journal.add(name, output, written, at, seconds, cost))
        self._reached(f"{name}:after")
        return output

    def _note(self, entry: Entry) -> None:
        """Into the store and the log; what was noted before a kill is noted again."""
        self.seconds[entry.step] = entry.seconds
        with self._store.write() as db:
            turns.note_step(
                db, self._work.id, entry.step, entry.begun, entry.seconds, dict(entry.cost)
            )
        log.info(
            "subject=%s turn=%s step=%s seconds=%.3f cpu_seconds=%.3f",
            self._work.subject.name,
            self._work.id,
            entry.step,
            entry.seconds,
            entry.cost.get("cpu_seconds", 0.0),
        )
