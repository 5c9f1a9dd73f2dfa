"""Which run each cgroup is of, by what was told and seen, and what could not be told.

In order of trust: the path and the hooks, then the pid a hook told (JobPid), then what processes
say. A user who tells of a job is believed about its cgroup once a process of that user was seen in
it; nobody ends or renames the run of another. All methods want the registry's lock to be held.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

from ..jobs.identity import Run
from ..jobs.text import printable
from ..plugins.layout import Identity, JobPath
from .questions import Answer
from .runs import Runs
from .trace import JobTrace
from .tracked import UNTOLD_RUN, Tracked, same_slot

log = logging.getLogger(__name__)


class Attribution:
    """Joins the runs of a table with cgroups."""

    def __init__(self, runs: Runs, cluster: str, node: str) -> None:
        """Join ``runs``; a run that nobody told gets the names of ``cluster`` and ``node``."""
        self._runs = runs
        self._cluster, self._node = cluster, node
        self._logged: set[str] = set()
        self.errors: Counter[str] = Counter()  # by reason; a run counts once for each
        self.reused: list[JobTrace] = []  # traces of cgroups that are another run's now

    # ---- cgroups come ---------------------------------------------------------------------------

    def appeared(self, path: JobPath, trace: JobTrace, now: float) -> None:
        """A job's cgroup was seen for the first time; its measuring is ``trace``."""
        tracked = self._runs.shown_by(path)
        if tracked is None:
            tracked = self._runs.given_up_at(path)
            if tracked is not None:  # its end was told too early: a hook may tell another
                tracked.ended, tracked.exit = None, None
        self._attach(tracked or self._guess(path, now), path, trace)

    def _guess(self, path: JobPath, now: float) -> Tracked:
        run = Run(self._cluster, path.scheduler, path.job_id, path.run or UNTOLD_RUN)
        guessed = not (path.job_id and path.run)
        return Tracked(run, path.node or self._node, now, guessed=guessed, slot=path.slot)

    def _attach(self, tracked: Tracked, path: JobPath, trace: JobTrace) -> None:
        tracked.path, tracked.trace, tracked.vanished = path, trace, None
        tracked.looks, tracked.next_look = 0, 0.0
        self._runs.file(tracked)

    # ---- claims to a slot -----------------------------------------------------------------------

    def claim(self, tracked: Tracked, now: float) -> None:
        """A run just told may be in a slot whose cgroup is measured: then that one's job is over.

        The cgroup of a slot may be used again: the trace is handed out to be begun anew.
        """
        holder = self.holder(tracked)
        if holder is None:
            return
        own = holder.uid is not None and holder.uid == tracked.uid
        if tracked.trusted or tracked.proven or own or holder.ended is not None:
            self._displace(holder, now)

    def holder(self, tracked: Tracked) -> Tracked | None:
        """The run that is measured in the slot of one that is not."""
        if not tracked.slot or tracked.trace is not None:
            return None
        return self._runs.holder_of(tracked.slot, tracked.run.scheduler)

    def _displace(self, holder: Tracked, now: float) -> None:
        assert holder.trace is not None
        self.reused.append(holder.trace)
        holder.vanished, holder.displaced = now, True
        self._runs.file(holder)

    # ---- what processes answered ----------------------------------------------------------------

    def answered(self, tracked: Tracked, answer: Answer, now: float) -> None:
        """Do what follows from an answer about a run; it may have changed since it was asked."""
        if tracked.ended is not None:
            return
        if answer.problem is not None:
            self.complain(tracked, answer.problem.reason, str(answer.problem))
        elif tracked.is_measured:
            if not tracked.run.job_id:
                self._name(tracked, answer.identity)
            elif answer.users:
                self._prove(tracked, answer.users)
        elif tracked.trace is None:
            self._answered_unseen(tracked, answer, now)

    def _answered_unseen(self, tracked: Tracked, answer: Answer, now: float) -> None:
        if answer.has_step:
            self.complain(
                tracked,
                "no_job_cgroup",
                "it runs and has no cgroup; jobs are measured with TaskPlugin=task/cgroup and "
                "ProctrackType=proctrack/cgroup in slurm.conf",
            )
        elif tracked.slot and tracked.uid in answer.users:
            holder, tracked.proven = self.holder(tracked), True
            if holder is not None and not (holder.trusted or holder.proven):
                self._prove(holder, answer.users)
            self.claim(tracked, now)
        elif answer.pid_user is not None and self.holder(tracked) is None:
            self._place(tracked, answer.pid_path, answer.pid_user, now)

    def _name(self, tracked: Tracked, identity: Identity | None) -> None:
        if identity is None or tracked.path is None:
            return
        run_name = tracked.path.run or identity.run or UNTOLD_RUN
        run = replace(tracked.run, job_id=identity.job_id, run=run_name)
        if any(not other.guessed for other in self._runs.of_run(run, tracked.node)):
            self.complain(tracked, "environ_conflict", "its processes name a run that a hook told")
            return
        tracked.run, tracked.uid = run, identity.uid
        tracked.facts = replace(tracked.facts, user=identity.user, slot=tracked.path.slot)
        self._runs.file(tracked)

    def _prove(self, tracked: Tracked, users: frozenset[int]) -> None:
        """Processes of ``users`` live in the cgroup that a user claimed."""
        tracked.proven = tracked.trusted or tracked.uid in users
        if tracked.proven:
            self._runs.file(tracked)
            return
        path, trace = tracked.path, tracked.trace
        assert path is not None and trace is not None
        self.complain(tracked, "slot_mismatch", "the processes in its cgroup are another user's")
        tracked.path = tracked.trace = None
        tracked.slot, tracked.pid, tracked.refuted = "", 0, True
        self._runs.file(tracked)
        heir = self._runs.waiting_for(path, users) or self._guess(path, tracked.since)
        self._attach(heir, path, trace)

    def _place(self, tracked: Tracked, path: JobPath | None, uid: int, now: float) -> None:
        """The process that a hook named lives at ``path`` and runs for ``uid``."""
        if not tracked.trusted and uid != tracked.uid:
            self.complain(tracked, "slot_mismatch", "the process it names is another user's")
        elif path is None:
            self.complain(tracked, "no_job_cgroup", "its process runs in no cgroup of a job")
        else:
            if tracked.slot and not same_slot(tracked.slot, path.slot):
                self.complain(tracked, "slot_mismatch", "its process runs in another slot's cgroup")
            tracked.slot, tracked.proven = path.slot, True
            holder = self.holder(tracked)
            if holder is not None and holder.guessed and holder.trace is not None:
                trace = holder.trace
                self._runs.drop(holder)
                self._attach(tracked, path, trace)
            else:
                self._runs.file(tracked)
                self.claim(tracked, now)

    # ---- what is wrong --------------------------------------------------------------------------

    def complain(self, tracked: Tracked, reason: str, why: str) -> None:
        """Count an attribution error once for a run, and log the first of its kind."""
        if reason in tracked.complaints:
            return
        tracked.complaints.add(reason)
        self.errors[reason] += 1
        if reason not in self._logged:
            self._logged.add(reason)
            path = tracked.path
            name = tracked.run.job_id or (path and (path.slot or path.run)) or tracked.slot
            log.warning(
                "job %s of %s is not attributed (%s): %s; more of this kind are only counted",
                printable(name),
                printable(tracked.run.scheduler),
                reason,
                why,
            )
