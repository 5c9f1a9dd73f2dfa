"""One run as the node knows it: out of what hooks told and of the cgroup that was seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..jobs.events import EventKind, JobEvent
from ..jobs.exits import Exit
from ..jobs.identity import Run
from ..plugins.layout import JobPath
from .trace import JobTrace

UNTOLD_RUN = "0"  # the run of a job whose path and hooks tell none: its first, where Slurm counts


@dataclass(eq=False)
class Tracked:
    """One run. ``path`` and ``trace`` are there once its cgroup was seen.

    ``guessed``: the path alone does not tell the run, and no hook has yet. ``since``, ``vanished``
    and ``ended`` are monotonic seconds.
    """

    run: Run
    node: str
    since: float
    guessed: bool = False
    uid: int | None = None  # of the hook that told of it first
    path: JobPath | None = None
    trace: JobTrace | None = None
    start: JobEvent | None = None  # the hook's
    start_told: bool = False
    vanished: float | None = None
    ended: float | None = None
    end_heard: bool = False
    exit: Exit | None = None
    warned: set[EventKind] = field(default_factory=set)

    @property
    def started_epoch(self) -> float | None:
        """When it started: the hook's time, or when its cgroup was first seen."""
        if self.start is not None:
            return self.start.time
        return None if self.trace is None else self.trace.started_epoch

    def is_told_by(self, run: Run, node: str) -> bool:
        """Does an event of ``run`` on ``node`` speak of this one?"""
        if (self.run.scheduler, self.run.job_id, self.run.run) == (
            run.scheduler,
            run.job_id,
            run.run,
        ):
            return self._on(node)
        if not self.guessed or self.path is None or self.run.scheduler != run.scheduler:
            return False
        same = self.path.run == run.run if self.path.run else self.path.job_id == run.job_id
        return same and self._on(node)

    def _on(self, node: str) -> bool:
        """Can it be the run ``node`` speaks of? A path without a node is the only node here."""
        if self.path is not None and self.start is None:
            return self.path.node in ("", node)
        return self.node == node

    def is_shown_by(self, path: JobPath) -> bool:
        """Can the cgroup at ``path``, just seen, be that of this run?"""
        return (
            self.trace is None
            and self.ended is None
            and self.run.scheduler == path.scheduler
            and path.job_id in ("", self.run.job_id)
            and path.run in ("", self.run.run)
            and path.node in ("", self.node)
        )
