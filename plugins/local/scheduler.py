"""The local queue as a scheduler: its history, plans for actions, and carrying them out."""

from __future__ import annotations

import math
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...jobs.actions import Action, ActionKind
from ...jobs.events import EventKind, JobEvent
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ..scheduler import Nodes, Refused, SchedulerError, Step, call
from .events import event_of
from .job import Job
from .mend import mend
from .quantities import show_size
from .queue import SCHEDULER, Queue
from .settings import read_settings
from .ulid import is_ulid, new_ulid

EXECUTE_SECONDS = 60.0

# Orders are for runs that go on; the other kinds of action change nothing in the queue.
ORDERS = {ActionKind.KILL: "kill", ActionKind.HOLD: "hold", ActionKind.RELEASE: "release"}


class LocalScheduler:
    """The jobs of one queue of this machine."""

    name = SCHEDULER

    def __init__(self, cluster: str, state_dir: Path) -> None:
        """Know the queue in ``state_dir`` as ``cluster``."""
        self._cluster = cluster
        self._state_dir = state_dir

    def history(self, since: float, until: float = math.inf) -> Iterable[JobEvent]:
        """QUEUED, START and OUTCOME of runs that ended between these epoch seconds.

        Without ``until`` also of runs that have not ended.
        """
        settings = read_settings(self._state_dir, self._cluster)
        try:
            with Queue(settings.state_dir) as queue:
                mend(queue, settings)
                jobs = queue.jobs(since, until)
        except (OSError, sqlite3.Error) as error:
            raise SchedulerError(
                f"the queue in {settings.state_dir} cannot be read: {error}", transient=True
            ) from error
        return (event for job in jobs for event in self._events(job))

    def nodes(self, since: float) -> Nodes:
        """None: sites of local jobs are words of their users, and the one node is here."""
        return Nodes()

    def _events(self, job: Job) -> Iterable[JobEvent]:
        if job.started is None and job.ended is None:
            yield event_of(EventKind.QUEUED, job, self._cluster, job.submitted)
        if job.started is not None:
            yield event_of(EventKind.START, job, self._cluster, job.started)
        if job.ended is not None:
            yield event_of(EventKind.OUTCOME, job, self._cluster, job.ended)

    def plan(self, action: Action, runs: Sequence[RunRecord]) -> list[Step]:
        """One step a run; Refused for splitting and data access, which are no matter of a queue."""
        if action.kind in ORDERS:
            word = ORDERS[action.kind]
            going = [record.run for record in runs if record.exit is None]
            return [Step(self._command(word, run), f"{word} {run.key}") for run in going]
        if not action.kind.repeats:
            return []
        if action.splitting is not None and action.splitting != 1:
            raise Refused("a local job is one command and cannot be split")
        if action.data_access:
            raise Refused(f"local jobs read files of this machine, not {action.data_access}")
        repeated = [run for run in runs if run.failed or action.kind is ActionKind.CLONE]
        if not repeated:
            raise Refused("none of the runs has failed, so there is nothing to run again")
        return [self._repeat(action, record, turn) for turn, record in enumerate(repeated)]

    def _repeat(self, action: Action, record: RunRecord, turn: int) -> Step:
        options, words = [f"--token={new_ulid()}"], [f"run {record.run.key} again"]
        if action.memory_bytes:
            options.append(f"--memory={action.memory_bytes}")
            words.append(f"with {show_size(action.memory_bytes)} of memory")
        if action.walltime_seconds:
            options.append(f"--time={action.walltime_seconds:.0f}")
            words.append(f"for {action.walltime_seconds:.0f} s")
        site = new_site(action, record.facts.site, turn)
        if site:
            options.append(f"--site={site}")
            words.append(f"at {site}")
        if action.nodes_avoid:
            words.append("(nodes to avoid are passed over: there is one node)")
        return Step(self._command("resubmit", record.run, *options), " ".join(words))

    def _command(self, command: str, run: Run, *options: str) -> tuple[str, ...]:
        if (run.cluster, run.scheduler) != (self._cluster, SCHEDULER) or not is_ulid(run.run):
            raise Refused(f"{run.key} is no run of the local queue {self._cluster}")
        places = (f"--state-dir={self._state_dir}", f"--cluster={self._cluster}")
        program = (sys.executable, "-m", "jobmend.plugins.local")
        return (*program, *places, command, run.run, *options)

    def execute(self, step: Step) -> tuple[Run, ...]:
        """Carry one step out; twice is once, because of the step's token."""
        printed = call(step.argv, timeout=EXECUTE_SECONDS)
        try:
            return tuple(Run.from_key(line) for line in printed.split())
        except ValueError as error:
            raise SchedulerError(f"{step.argv[0]} printed no run key: {error}") from error


def new_site(action: Action, site: str, turn: int) -> str:
    """Where the ``turn``-th repeated run goes, empty: it stays; Refused where nowhere is left."""
    avoided = site in action.sites_avoid or (
        bool(action.sites_use) and not action.sites_avoid and site not in action.sites_use
    )
    if not avoided:
        return ""
    left = [name for name in action.sites_use if name not in action.sites_avoid]
    if not left:
        raise Refused(f"site {site} is to be avoided and no other site is given")
    return left[turn % len(left)]
