"""What is asked of processes about one run: whose cgroup it is in, and which job its cgroup is.

Asking reads files and holds no lock; what follows from an answer is decided in attribution.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..plugins.layout import Identity, JobPath, Unidentified
from .tracked import Tracked

NO_CGROUP_SECONDS = 30.0  # after the start hook: then the job's cgroup is missed
STEPS_SECONDS = 60.0  # between two looks at all processes of the node
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between two questions about one run


class Processes(Protocol):
    """What may be asked of the node's processes: see :class:`agent.resolver.Resolver`."""

    def identify(self, path: JobPath, directories: Mapping[str, str]) -> Identity | None:
        """Who the job in these directories is; Unidentified where nobody may be asked."""

    def path_of(self, pid: int, scheduler: str) -> JobPath | None:
        """The job in whose cgroup a process lives."""

    def user_of(self, pid: int) -> int | None:
        """The user a process runs for."""

    def users_of(self, directories: Mapping[str, str]) -> frozenset[int]:
        """The users for whom a job's processes run; empty where none lives."""

    def steps(self, scheduler: str) -> frozenset[str]:
        """The ids of the jobs that have a step here."""


@dataclass(frozen=True)
class Answer:
    """What processes said; what was not asked is None or empty."""

    identity: Identity | None = None
    problem: Unidentified | None = None
    users: frozenset[int] = frozenset()  # of the processes in the run's cgroup, or in its slot's
    pid_path: JobPath | None = None
    pid_user: int | None = None  # None: there is no such process
    has_step: bool = False  # and no cgroup was seen


class Questions:
    """Asks about runs, each at growing intervals."""

    def __init__(self, processes: Processes | None) -> None:
        """Ask ``processes``; None: nobody."""
        self._processes = processes
        self._steps: dict[str, frozenset[str]] = {}
        self._steps_at: float | None = None

    def users_of(self, tracked: Tracked) -> frozenset[int]:
        """The users whose processes live in a run's cgroup; empty where that cannot be told."""
        if self._processes is None or tracked.trace is None or not tracked.is_measured:
            return frozenset()
        return self._processes.users_of(tracked.trace.directories)

    def is_due(self, tracked: Tracked, now: float) -> bool:
        """Is there a question about the run at the monotonic time ``now``?"""
        if self._processes is None or now < tracked.next_look or tracked.ended is not None:
            return False
        if tracked.trace is not None:
            known = tracked.run.job_id and (tracked.trusted or tracked.proven)
            return tracked.is_measured and not known
        missed = tracked.run.scheduler == "slurm" and now - tracked.since >= NO_CGROUP_SECONDS
        return bool(tracked.slot or tracked.pid) or missed

    def ask(self, tracked: Tracked, holder: Tracked | None, now: float) -> Answer:
        """Ask about a run; ``holder`` is the run measured in the slot that it says it runs in."""
        processes = self._processes
        assert processes is not None
        tracked.next_look = now + min(FIRST_WAIT * 2**tracked.looks, LONGEST_WAIT)
        tracked.looks = min(tracked.looks + 1, 16)
        if tracked.path is not None and tracked.trace is not None:
            users = self.users_of(tracked)
            if tracked.run.job_id:
                return Answer(users=users)
            try:
                identity = processes.identify(tracked.path, tracked.trace.directories)
                return Answer(identity=identity, users=users)
            except Unidentified as problem:
                return Answer(problem=problem, users=users)
        if holder is not None:
            return Answer(users=self.users_of(holder))
        scheduler = tracked.run.scheduler
        if tracked.pid:
            path = processes.path_of(tracked.pid, scheduler)
            return Answer(pid_path=path, pid_user=processes.user_of(tracked.pid))
        if tracked.slot:
            return Answer()
        return Answer(has_step=tracked.run.job_id in self._steps_of(processes, scheduler, now))

    def _steps_of(self, processes: Processes, scheduler: str, now: float) -> frozenset[str]:
        if self._steps_at is None or now - self._steps_at >= STEPS_SECONDS:
            self._steps, self._steps_at = {}, now
        if scheduler not in self._steps:
            self._steps[scheduler] = processes.steps(scheduler)
        return self._steps[scheduler]
