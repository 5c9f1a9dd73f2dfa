"""Which runs are on the node: hook events and cgroups joined, and what is to be told of them.

What a hook says goes before what a directory says. An end is told when the hook tells it, or when
the cgroup vanished and no hook spoke for the time of grace: schedulers call their end hooks after
the cgroup is gone. All methods may be called from any thread; none reads a file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..jobs.events import EventKind, JobEvent, TraceSummary
from ..jobs.exits import Exit, ExitKind
from ..jobs.identity import Run
from ..plugins.layout import JobPath
from .summary import summarize
from .trace import JobTrace
from .tracked import UNTOLD_RUN, Tracked

MAX_OPEN = 8192  # runs that have not ended
MAX_OPEN_OF_A_USER = 2048  # told by one user whose word is not trusted for others
MAX_ENDED = 1024  # kept for the page

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """How the registry names and times things."""

    cluster: str
    node: str
    grace_seconds: float
    exit_ttl_seconds: float


@dataclass(frozen=True)
class Heard:
    """What became of a hook's event: a word for the counters, and what is to be told."""

    result: str
    events: tuple[JobEvent, ...] = ()


class Registry:
    """The runs of this node, open and lately ended."""

    def __init__(self, rules: Rules) -> None:
        """Start with no run."""
        self._rules = rules
        self._open: list[Tracked] = []
        self._ended: list[Tracked] = []
        self._lock = threading.RLock()
        self.unnamed = 0  # jobs that ended before anybody told their id

    # ---- what hooks tell ------------------------------------------------------------------------

    def hear(self, event: JobEvent, uid: int, trusted: bool, now: float) -> Heard:
        """Take in a START or END told by ``uid`` at the monotonic time ``now``."""
        event = event if event.node else replace(event, node=self._rules.node)
        with self._lock:
            known = self._told_of(event)
            if known is not None and not trusted and known.uid not in (None, uid):
                return Heard("untrusted")
            if event.kind is EventKind.START:
                return self._hear_start(event, known, uid, trusted, now)
            return self._hear_end(event, known, uid, now)

    def _hear_start(
        self, event: JobEvent, known: Tracked | None, uid: int, trusted: bool, now: float
    ) -> Heard:
        if known is not None and known.guessed and (known.vanished or known.ended) is not None:
            known = None  # the cgroup that went was of an earlier run of this job
        if known is None:
            if not self._has_room(uid, trusted):
                return Heard("bounded", (event,) if trusted else ())
            known = Tracked(event.run, event.node, now, uid=uid)
            self._open.append(known)
        elif known.start is not None or known.ended is not None:
            return Heard("duplicate")
        known.run, known.node, known.uid, known.guessed = event.run, event.node, uid, False
        known.start, known.start_told = event, True
        return Heard("accepted", (event,))

    def _hear_end(self, event: JobEvent, known: Tracked | None, uid: int, now: float) -> Heard:
        if known is None:
            known = Tracked(event.run, event.node, now, uid=uid, start_told=True)
            self._open.append(known)
        elif known.end_heard:
            return Heard("duplicate")
        known.run, known.node, known.guessed = event.run, event.node, False
        known.exit, known.end_heard = event.exit, True
        told = [] if known.start_told else [self._start(known, event.node)]
        told.append(replace(event, trace=_summary(known, event.time) or event.trace))
        self._close(known, now)
        return Heard("accepted", tuple(told))

    def _told_of(self, event: JobEvent) -> Tracked | None:
        """The run an event speaks of: an open one before one that ended."""
        for tracked in (*reversed(self._open), *reversed(self._ended)):
            if tracked.is_told_by(event.run, event.node):
                return tracked
        return None

    def _has_room(self, uid: int, trusted: bool) -> bool:
        """Room for one more run; a START whose END was lost is forgotten where room is short."""
        if len(self._open) >= MAX_OPEN:
            lost = next((run for run in self._open if run.trace is None), None)
            if lost is None:
                return False
            log.warning("%s is forgotten: %d runs are open", lost.run.key, len(self._open))
            self._open.remove(lost)
        return trusted or sum(run.uid == uid for run in self._open) < MAX_OPEN_OF_A_USER

    # ---- what the sampler sees ------------------------------------------------------------------

    def appeared(self, path: JobPath, trace: JobTrace, now: float) -> None:
        """A job's cgroup was seen for the first time; its measuring is ``trace``."""
        with self._lock:
            known = next((run for run in reversed(self._open) if run.is_shown_by(path)), None)
            if known is None:
                run = Run(self._rules.cluster, path.scheduler, path.job_id, path.run or UNTOLD_RUN)
                node = path.node or self._rules.node
                guessed = not (path.job_id and path.run)
                known = Tracked(run, node, now, guessed=guessed)
                self._open.append(known)
            known.path, known.trace, known.vanished = path, trace, None

    def vanished(self, trace: JobTrace, now: float) -> None:
        """The cgroup measured by ``trace`` is gone."""
        with self._lock:
            for tracked in self._open:
                if tracked.trace is trace:
                    tracked.vanished = now

    def due(self, now: float, epoch: float, job_id_of: Callable[[JobTrace], str]) -> list[JobEvent]:
        """What the agent tells itself because no hook spoke in the time of grace.

        ``job_id_of`` finds the id of a job whose path tells only its run, or returns "".
        """
        told: list[JobEvent] = []
        with self._lock:
            for tracked in list(self._open):
                if tracked.trace is not None and tracked.ended is None:
                    told.extend(self._due(tracked, now, epoch, job_id_of))
            self._forget(now)
        return told

    def _due(
        self, tracked: Tracked, now: float, epoch: float, job_id_of: Callable[[JobTrace], str]
    ) -> Iterator[JobEvent]:
        grace = self._rules.grace_seconds
        gone = tracked.vanished is not None and now - tracked.vanished >= grace
        if tracked.trace is not None and not tracked.run.job_id:
            tracked.run = replace(tracked.run, job_id=job_id_of(tracked.trace))
        if tracked.run.job_id and not tracked.start_told and (gone or now - tracked.since >= grace):
            yield self._start(tracked, tracked.node)
        if not gone:
            return
        if tracked.run.job_id:
            yield self._end(tracked, epoch)
        else:
            self.unnamed += 1
        self._close(tracked, now)

    def warn(self, trace: JobTrace, kind: EventKind, epoch: float) -> JobEvent | None:
        """The warning ``kind`` about the run measured by ``trace``; None if told before."""
        with self._lock:
            for tracked in self._open:
                if tracked.trace is trace and tracked.start_told and kind not in tracked.warned:
                    tracked.warned.add(kind)
                    summary = _summary(tracked, epoch)
                    return JobEvent(kind, tracked.run, epoch, tracked.node, trace=summary)
        return None

    # ---- what others ask ------------------------------------------------------------------------

    def measured_by(self, trace: JobTrace) -> Tracked | None:
        """The run measured by ``trace``, or None while nobody knows its job id."""
        for tracked in self.runs():
            if tracked.trace is trace and tracked.run.job_id:
                return tracked
        return None

    def runs(self) -> list[Tracked]:
        """All runs known now: those open, then those that ended lately, oldest first."""
        with self._lock:
            return [*self._open, *self._ended]

    # ---- telling and forgetting -----------------------------------------------------------------

    def _start(self, tracked: Tracked, node: str) -> JobEvent:
        tracked.start_told = True
        return JobEvent(EventKind.START, tracked.run, tracked.started_epoch or 0.0, node)

    def _end(self, tracked: Tracked, epoch: float) -> JobEvent:
        ended = epoch if tracked.trace is None else tracked.trace.ended_epoch
        tracked.exit = Exit(tracked.run.scheduler, ExitKind.UNKNOWN, reason="no end hook spoke")
        return JobEvent(
            EventKind.END,
            tracked.run,
            ended,
            tracked.node,
            exit=tracked.exit,
            trace=_summary(tracked, ended),
        )

    def _close(self, tracked: Tracked, now: float) -> None:
        tracked.ended = now
        if tracked in self._open:
            self._open.remove(tracked)
            self._ended.append(tracked)
        del self._ended[:-MAX_ENDED]

    def _forget(self, now: float) -> None:
        oldest = now - self._rules.exit_ttl_seconds
        self._ended = [run for run in self._ended if run.ended is None or run.ended > oldest]


def _summary(tracked: Tracked, ended: float) -> TraceSummary | None:
    """The trace in numbers, or None: an end must be told even where this fails."""
    if tracked.trace is None:
        return None
    try:
        return summarize(tracked.trace, tracked.started_epoch or ended, ended)
    except Exception:  # the boundary between measuring and telling
        log.exception("the trace of %s could not be summarized", tracked.run.key)
        return None
