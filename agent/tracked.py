"""One run as the node knows it: out of what hooks told and of the cgroup that was seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..jobs.events import EventKind, JobEvent, JobFacts
from ..jobs.exits import Exit
from ..jobs.identity import Run
from ..plugins.layout import JobPath
from .anomaly import Anomaly
from .trace import JobTrace

UNTOLD_RUN = "0"  # the run of a job whose path and hooks tell none: its first, where Slurm counts
CLOCKS_APART = 1.0  # seconds by which the times of a hook and of a sample may be wrong together


@dataclass(eq=False)
class Tracked:
    """One run. ``path`` and ``trace`` are there once its cgroup was seen, and stay when it went.

    ``guessed``: the path alone does not tell the run, and no hook has yet. ``since``, ``vanished``,
    ``ended`` and ``next_look`` are monotonic seconds, ``ended_epoch`` is seconds since the epoch.
    """

    run: Run
    node: str
    since: float
    guessed: bool = False
    uid: int | None = None  # of the hook that told of it first, else for whom its processes run
    trusted: bool = True  # False: a user's word; its cgroup must be shown to be that user's
    proven: bool = False  # it was shown
    refuted: bool = False  # the cgroup it claimed was shown to be another user's
    displaced: bool = False  # another run has taken over its cgroup
    slot: str = ""
    pid: int = 0
    facts: JobFacts = field(default_factory=JobFacts)
    path: JobPath | None = None
    trace: JobTrace | None = None
    start: JobEvent | None = None  # the hook's
    start_told: bool = False
    vanished: float | None = None
    ended: float | None = None
    ended_epoch: float = 0.0
    end_heard: bool = False
    exit: Exit | None = None
    anomaly: Anomaly | None = None  # of its newest window, where a model scored that
    warned: set[EventKind] = field(default_factory=set)
    looks: int = 0  # how often its processes were asked
    next_look: float = 0.0
    complaints: set[str] = field(default_factory=set)  # attribution errors counted of it

    @property
    def started_epoch(self) -> float | None:
        """When it started: the hook's time, or when its cgroup was first seen."""
        if self.start is not None:
            return self.start.time
        return None if self.trace is None else self.trace.started_epoch

    @property
    def is_measured(self) -> bool:
        """Does its cgroup exist, as far as the sampler has seen?"""
        return self.trace is not None and self.vanished is None

    @property
    def is_settled(self) -> bool:
        """Is nothing to be told or found out before the next news of it?"""
        known = self.start_told and bool(self.run.job_id) and (self.trusted or self.proven)
        return self.ended is not None or (known and self.is_measured)

    def is_told_by(self, event: JobEvent, node: str) -> bool:
        """Does an event on ``node`` speak of this run?"""
        run = event.run
        if (self.run.scheduler, self.run.job_id, self.run.run) == (
            run.scheduler,
            run.job_id,
            run.run,
        ):
            return self._on(node)
        if not self.guessed or self.path is None or self.run.scheduler != run.scheduler:
            return False
        if self.path.slot:
            return same_slot(self.path.slot, event.facts.slot) and self._lived_at(event)
        same = self.path.run == run.run if self.path.run else self.path.job_id == run.job_id
        return same and self._on(node) and (event.kind is EventKind.START or self._lived_at(event))

    def _on(self, node: str) -> bool:
        """Can it be the run ``node`` speaks of? A path without a node is the only node here."""
        if self.path is not None and self.start is None:
            return self.path.node in ("", node)
        return self.node == node

    def _lived_at(self, event: JobEvent) -> bool:
        """Can an event be of the job in this cgroup, or was that of one before, or of one after?

        HTCondor's start hook without a pid is called before the job has a cgroup: in one that was
        there already, the job is another.
        """
        if self.trace is None:
            return True
        later = event.time - self.trace.started_epoch
        if event.kind is EventKind.START:
            return bool(event.facts.pid) or later <= CLOCKS_APART
        return later >= -CLOCKS_APART

    def is_shown_by(self, path: JobPath) -> bool:
        """Can the cgroup at ``path``, just seen, be that of this run?

        A cgroup may go and come again while its run goes on: Slurm makes one a step where no
        extern step keeps it. Of a slot that only a guess names, the next job is another.
        """
        if self.end_heard or self.ended is not None or self.run.scheduler != path.scheduler:
            return False
        if self.is_measured or self.displaced or (self.trace and self.guessed and path.slot):
            return False
        return (
            path.job_id in ("", self.run.job_id)
            and path.run in ("", self.run.run)
            and path.node in ("", self.node)
            and (not path.slot or same_slot(path.slot, self.slot))
        )


def same_slot(one: str, other: str) -> bool:
    """Do both name one slot of this node? A name without a host may be on any."""
    if "@" in one and "@" in other:
        return one == other
    return bool(one) and short_slot(one) == short_slot(other)


def short_slot(slot: str) -> str:
    """The slot's name without the host: ``slot1_1``."""
    return slot.partition("@")[0]
