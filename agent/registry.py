"""Which runs are on the node: hook events and cgroups joined, and what is to be told of them.

What a hook says goes before what a directory says. An end is told when the hook tells it, or when
the cgroup vanished and no hook spoke for the time of grace: schedulers call their end hooks after
the cgroup is gone. All methods may be called from any thread. No file is read under the lock.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..jobs.events import EventKind, JobEvent
from ..plugins.hook import UNTOLD_CLUSTER
from ..plugins.layout import JobPath
from .attribution import Attribution
from .questions import Processes, Questions
from .runs import Runs
from .telling import give_up, start_of, summary_of
from .trace import JobTrace
from .tracked import Tracked

MAX_OPEN = 8192  # runs that have not ended
MAX_OPEN_OF_A_USER = 2048  # told by one user whose word is not trusted for others
MAX_ENDED = 1024  # kept for the page
MAX_QUESTIONS = 64  # to processes, in one round
_TRIES = 8  # while the sampler changes what an event speaks of

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

    def __init__(
        self,
        rules: Rules,
        processes: Processes | None = None,
        fresh: Callable[[JobTrace], None] | None = None,
    ) -> None:
        """Start with no run.

        ``processes`` answers for jobs that nobody named. ``fresh`` takes a last sample of a job
        whose end is told while its cgroup exists; the thread that calls :meth:`hear` calls it.
        """
        self._rules = rules
        self._runs = Runs()
        self._attribution = Attribution(self._runs, rules.cluster, rules.node)
        self._questions = Questions(processes)
        self._fresh = fresh
        self._lock = threading.RLock()

    @property
    def errors(self) -> Counter[str]:
        """Attribution errors by reason; each run counts once for a reason."""
        return self._attribution.errors

    # ---- what hooks tell ------------------------------------------------------------------------

    def hear(self, event: JobEvent, uid: int, trusted: bool, now: float) -> Heard:
        """Take in a START or END told by ``uid`` at the monotonic time ``now``."""
        if trusted and (event.kind is EventKind.QUEUED or "@" in event.node):
            return Heard("accepted", (event,))  # of a controller, which is no node: passed on
        event = self._placed(event)
        with self._lock:
            event = self._of_stopped(event)
            known = self._runs.told_of(event)
        for _ in range(_TRIES):
            if not trusted and known is not None and not self._may_tell(known, uid):
                break
            if known is not None and event.kind is EventKind.END:
                self._refresh(known)
            with self._lock:
                before, known = known, self._runs.told_of(event)
                if known is before and event.kind is EventKind.START:
                    return self._hear_start(event, known, uid, trusted, now)
                if known is before:
                    return self._hear_end(event, known, uid, trusted, now)
        return Heard("untrusted")

    def _of_stopped(self, event: JobEvent) -> JobEvent:
        """Slurm counts a requeue before it calls the Epilog of the run that it stopped.

        So the end of a run that did not begin here, while the one before it goes on, is that one's.
        """
        run = event.run
        if event.kind is not EventKind.END or run.scheduler != "slurm" or not run.run.isdigit():
            return event
        before = replace(run, run=str(int(run.run) - 1))
        earlier = self._runs.of_run(before, event.node)
        goes_on = any(one.ended is None and not one.guessed for one in earlier)
        if not goes_on or self._runs.of_run(run, event.node):
            return event
        return replace(event, run=before, facts=replace(event.facts, attempt=int(before.run)))

    def _placed(self, event: JobEvent) -> JobEvent:
        """The event with the names of node and cluster, where its hook was not told them."""
        event = event if event.node else replace(event, node=self._rules.node)
        if event.run.cluster != UNTOLD_CLUSTER:
            return event
        return replace(event, run=replace(event.run, cluster=self._rules.cluster))

    def _may_tell(self, known: Tracked, uid: int) -> bool:
        """May a user tell of a run? Of one known by its cgroup alone, if processes there agree."""
        if known.uid is not None:
            return known.uid == uid
        users = self._questions.users_of(known)
        return not users or uid in users

    def may_claim(self, scheduler: str, slot: str, uid: int) -> bool:
        """May a user tell of a job in a slot? Not while processes of others alone live there."""
        with self._lock:
            holder = self._runs.holder_of(slot, scheduler)
        if holder is None or holder.ended is not None:
            return True
        users = self._questions.users_of(holder)
        return not users or uid in users

    def _refresh(self, known: Tracked) -> None:
        """Measure a run that ends once more, while that can be done."""
        if self._fresh is None or known.trace is None or not known.is_measured or known.end_heard:
            return
        try:
            self._fresh(known.trace)
        except Exception:  # the boundary between telling and measuring
            log.exception("the last sample of %s failed", known.run.key)

    def _hear_start(
        self, event: JobEvent, known: Tracked | None, uid: int, trusted: bool, now: float
    ) -> Heard:
        if known is not None and known.guessed and (known.vanished or known.ended) is not None:
            known = None  # the cgroup that went was of an earlier run of this job
        if known is not None and known.ended is not None and event.time > known.ended_epoch:
            known = None  # the scheduler has begun to count its jobs anew
        if known is None:
            if not self._has_room(uid, trusted):
                return Heard("bounded", (event,) if trusted else ())
            known = Tracked(event.run, event.node, now)
        elif known.start is not None or known.ended is not None:
            return self._complete(known, event, now)
        known.run, known.node, known.guessed = event.run, event.node, False
        known.uid, known.trusted, known.facts = uid, trusted, event.facts
        known.slot, known.pid = event.facts.slot or known.slot, event.facts.pid
        known.start, known.start_told, known.next_look = event, True, 0.0
        for other in self._runs.of_run(known.run, known.node):
            if other is not known and other.ended is not None:
                self._runs.drop(other)  # both would be one to whoever reads
        self._runs.file(known)
        self._attribution.claim(known, now)
        return Heard("accepted", (event,))

    def _complete(self, known: Tracked, event: JobEvent, now: float) -> Heard:
        """A START told again may know more: where the job runs, and its first process."""
        facts = event.facts
        news = (facts.slot and not known.slot) or (facts.pid and not known.pid)
        if known.ended is not None or known.refuted or not news:
            return Heard("duplicate")
        known.slot, known.pid = known.slot or facts.slot, known.pid or facts.pid
        known.looks, known.next_look = 0, 0.0
        self._runs.file(known)
        self._attribution.claim(known, now)
        return Heard("accepted")

    def _hear_end(
        self, event: JobEvent, known: Tracked | None, uid: int, trusted: bool, now: float
    ) -> Heard:
        if known is None:
            known = Tracked(event.run, event.node, now, start_told=True)
            known.uid, known.trusted = uid, trusted
        elif known.end_heard:
            return Heard("duplicate")
        known.run, known.node, known.guessed = event.run, event.node, False
        known.exit, known.end_heard = event.exit, True
        told = [] if known.start_told else [start_of(known, event.node)]
        told.append(replace(event, trace=summary_of(known, event.time) or event.trace))
        self._close(known, now, event.time)
        return Heard("accepted", tuple(told))

    def _has_room(self, uid: int, trusted: bool) -> bool:
        """Room for one more run; a START whose END was lost is forgotten where room is short."""
        if self._runs.count_open() >= MAX_OPEN:
            lost = self._runs.oldest_unseen()
            if lost is None:
                return False
            log.warning("%s is forgotten: %d runs are open", lost.run.key, MAX_OPEN)
            self._runs.drop(lost)
        return trusted or self._runs.count_open(uid) < MAX_OPEN_OF_A_USER

    # ---- what the sampler sees ------------------------------------------------------------------

    def appeared(self, path: JobPath, trace: JobTrace, now: float) -> None:
        """A job's cgroup was seen for the first time; its measuring is ``trace``.

        Tell of what vanished in the same sample before.
        """
        with self._lock:
            self._attribution.appeared(path, trace, now)

    def vanished(self, trace: JobTrace, now: float) -> None:
        """The cgroup measured by ``trace`` is gone."""
        with self._lock:
            tracked = self._runs.measured_by(trace)
            if tracked is not None:
                tracked.vanished = now
                self._runs.file(tracked)

    def take_reused(self) -> list[JobTrace]:
        """Traces, each once, of cgroups that another run has taken over: begin them anew.

        Tell :meth:`vanished` of the old trace, and :meth:`appeared` of one that counts from here.
        """
        with self._lock:
            reused, self._attribution.reused = self._attribution.reused, []
        return reused

    def due(self, now: float, epoch: float) -> list[JobEvent]:
        """What the agent tells itself because no hook spoke in the time of grace.

        Processes are asked about runs that nobody named.
        """
        self._ask(now)
        told: list[JobEvent] = []
        with self._lock:
            for tracked in self._runs.unsettled():
                if tracked.trace is not None and tracked.ended is None:
                    told.extend(self._due(tracked, now, epoch))
            self._runs.forget_ended(now, self._rules.exit_ttl_seconds, MAX_ENDED)
        return told

    def _ask(self, now: float) -> None:
        with self._lock:
            due = [one for one in self._runs.unsettled() if self._questions.is_due(one, now)]
            asked = [(one, self._attribution.holder(one)) for one in due[:MAX_QUESTIONS]]
        for tracked, holder in asked:
            try:
                answer = self._questions.ask(tracked, holder, now)
            except Exception:  # the boundary of one run: the others must be told
                log.exception("the processes of %s could not be asked", tracked.run.key)
                continue
            with self._lock:
                self._attribution.answered(tracked, answer, now)

    def _due(self, tracked: Tracked, now: float, epoch: float) -> Iterator[JobEvent]:
        grace = self._rules.grace_seconds
        gone = tracked.vanished is not None and now - tracked.vanished >= grace
        known = bool(tracked.run.job_id)
        if known and not tracked.start_told and (gone or now - tracked.since >= grace):
            yield start_of(tracked, tracked.node)
            self._runs.file(tracked)
        if not gone:
            return
        if known:
            yield give_up(tracked, epoch)
        else:
            self._attribution.complain(tracked, "unnamed", "it ended before anybody told its id")
        self._close(tracked, now, epoch)

    def warn(self, trace: JobTrace, kind: EventKind, epoch: float) -> JobEvent | None:
        """The warning ``kind`` about the run measured by ``trace``; None if told before."""
        with self._lock:
            tracked = self._runs.measured_by(trace)
            if tracked is None or tracked.ended is not None or not tracked.start_told:
                return None
            if kind in tracked.warned:
                return None
            tracked.warned.add(kind)
            summary = summary_of(tracked, epoch)
            return JobEvent(kind, tracked.run, epoch, tracked.node, trace=summary)

    # ---- what others ask ------------------------------------------------------------------------

    def measured_by(self, trace: JobTrace) -> Tracked | None:
        """The run measured by ``trace``, or None while nobody knows its job id."""
        with self._lock:
            tracked = self._runs.measured_by(trace)
        return tracked if tracked is not None and tracked.run.job_id else None

    def runs(self) -> list[Tracked]:
        """All runs known now: those open, then those that ended lately, oldest first."""
        with self._lock:
            return self._runs.all()

    # ---- telling and forgetting -----------------------------------------------------------------

    def _close(self, tracked: Tracked, now: float, epoch: float) -> None:
        placed = tracked.trace or tracked.slot or tracked.pid or tracked.refuted
        if tracked.run.scheduler == "htcondor" and tracked.ended is None and not placed:
            self._attribution.complain(tracked, "slot_unknown", "its hooks told no slot and no pid")
        tracked.ended, tracked.ended_epoch = now, epoch
        self._runs.file(tracked)
        self._runs.forget_ended(now, self._rules.exit_ttl_seconds, MAX_ENDED)
