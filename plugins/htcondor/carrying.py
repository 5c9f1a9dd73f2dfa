"""Carrying out a step of a plan: look first, do what is left, tell which run it brought about.

A step that was done, whole or in part, by a brain that was interrupted is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ...jobs.identity import Run
from ..scheduler import Refused, SchedulerError, Step
from . import actions, ads, changes, ends, resubmission, splitting
from .actions import Address
from .ads import JobAd
from .changes import quoted
from .history import Naming
from .pool import Pool
from .runs import run_name

SETTLE_SECONDS = 90.0  # for a job that was stopped to leave its slot
REASON = "by jobmend, as its operator decided"

_LOOK_AGAIN_SECONDS = 0.5
_ENVIRONMENT = "Environment"


class Carrier:
    """Carries out steps in one pool."""

    def __init__(self, pool: Pool, naming: Naming) -> None:
        """Act through ``pool``; new jobs are named by ``naming``."""
        self._pool = pool
        self._naming = naming
        self._further = (*naming.workflow_from, *naming.site_from)

    def carry_out(self, step: Step) -> tuple[Run, ...]:
        """Do what is left of a step; the runs it brought about. SchedulerError where it fails."""
        verb, run, *words = step.argv[1:]
        job = actions.address(run)
        if verb == actions.SPLIT:
            return self._split(job, words)
        if verb == actions.RESUBMIT:
            return (self._resubmit(job, run, words),)
        if verb == actions.EDIT:
            self._edit(job, words)
        else:
            self._act(verb, job)
        return (step.follow_up,) if step.follow_up else ()

    # ---- a job in the queue ----------------------------------------------------------------------

    def _act(self, verb: str, job: Address) -> None:
        ad = self._in_queue(job)
        if _is_done(verb, ad, job):
            return
        if ad is None:
            raise SchedulerError(f"job {job.job} has left the queue of {job.schedd}")
        answer = self._pool.ask_once(
            "act", schedd=job.schedd, job=job.job, action=verb, reason=REASON
        )
        if answer.get("changed") != 1 and not _is_done(verb, self._in_queue(job), job):
            raise SchedulerError(
                f"{job.schedd} did not {verb} job {job.job}: the brain's user must be a queue"
                " super user, and known to the schedd (condor_qusers -add)"
            )

    def _edit(self, job: Address, words: list[str]) -> None:
        ad = self._settled(job)
        if ad.status not in (ends.HELD, 1):
            raise SchedulerError(f"job {job.job} runs, so it is not changed: hold it first")
        found = self._find(job, _by_id(job), None)
        if not found:
            raise SchedulerError(f"job {job.job} has left the queue of {job.schedd}")
        wanted = self._changed(found[0]["ad"], words)
        self._pool.ask_once("edit", schedd=job.schedd, job=job.job, attributes=wanted)

    def _settled(self, job: Address) -> JobAd:
        """The job once it has left its slot: what is changed before that may not count."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            ad = self._in_queue(job)
            if ad is None:
                raise SchedulerError(f"job {job.job} has left the queue of {job.schedd}")
            if ad.status != ends.HELD or "RemoteHost" not in ad.names:
                return ad
            if time.monotonic() > deadline:
                raise SchedulerError(
                    f"job {job.job} is held and still in its slot after {SETTLE_SECONDS:g} s",
                    transient=True,
                )
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _changed(self, ad: Mapping[str, str | None], words: list[str]) -> dict[str, str]:
        """The attributes to set, with what the plan could not know: the job's own ones."""
        attributes, variables = changes.parsed(words)
        if changes.ADDED_REQUIREMENTS in attributes:
            kept = ad.get(changes.ORIGINAL_REQUIREMENTS) or ad.get("Requirements") or "true"
            # First of all: the others mean nothing without it, and may be interrupted.
            attributes = {changes.ORIGINAL_REQUIREMENTS: kept, **attributes}
        if variables:
            attributes[_ENVIRONMENT] = quoted(self._merged(ad, variables))
        return attributes

    def _merged(self, ad: Mapping[str, str | None], variables: Mapping[str, str]) -> str:
        own = changes.unquoted(ad.get(_ENVIRONMENT) or '""')
        more = changes.environment_v2(variables)
        merged = self._pool.ask_once("merge", own=own, more=more) if own is not None else {}
        if merged.get("value") is None:
            raise Refused("the job's environment cannot be read, so nothing is added to it")
        return str(merged["value"])

    def _in_queue(self, job: Address) -> JobAd | None:
        names = ads.wanted(self._further)
        found = self._pool.ask(
            "find", schedd=job.schedd, constraint=_by_id(job), attributes=names, since=None
        )
        read = [ads.read(answer["ad"], self._further) for answer in found]
        return read[0] if read else None

    def _find(self, job: Address, constraint: str, since: float | None) -> list[dict[str, Any]]:
        """Whole ads, as expressions; the history from ``since`` on, None: not at all."""
        return list(
            self._pool.ask(
                "find", schedd=job.schedd, constraint=constraint, attributes=[], since=since
            )
        )

    # ---- a job that left the queue ---------------------------------------------------------------

    def _resubmit(self, job: Address, run: str, words: list[str]) -> Run:
        parent = Run(self._naming.cluster, "htcondor", job.job, run)
        literal = quoted(parent.key)
        repeats = f"{resubmission.PARENT} =?= {literal}"
        found = self._find(job, f"({_by_id(job)}) || {repeats}", float(job.submitted))
        origin = next((one["ad"] for one in found if _is(one["ad"], job)), None)
        if origin is None:
            raise Refused(
                f"job {job.job} is not in the history of {job.schedd} any more: its user must"
                " submit it again"
            )
        done = [one["ad"] for one in found if one["ad"].get(resubmission.PARENT) == literal]
        ours = [ad for ad in done if ad.get("Owner") == origin.get("Owner")]
        if ours:
            return self._first_run(ours[0])
        if any(one["source"] == "queue" and _is(one["ad"], job) for one in found):
            raise SchedulerError(f"job {job.job} is still in the queue of {job.schedd}")
        return self._submit(job, origin, words, literal)

    def _submit(
        self, job: Address, origin: Mapping[str, str | None], words: list[str], parent: str
    ) -> Run:
        changed = self._changed(origin, words)
        new = resubmission.attributes(origin, changed, parent, self._workflow(job))
        answer = self._pool.ask_once("submit", schedd=job.schedd, attributes=new)
        found = answer.get("ads", [])
        if len(found) != 1:
            raise SchedulerError(
                f"{job.schedd} took job {answer.get('cluster')} and does not show it: look for it"
            )
        run = self._first_run(found[0])
        if found[0].get("User") != origin.get("User"):
            self._pool.ask_once(
                "act", schedd=job.schedd, job=run.job_id, action=actions.REMOVE, reason=REASON
            )
            raise SchedulerError(
                f"{job.schedd} gave job {run.job_id} to another user than that of job {job.job}; it"
                " was removed"
            )
        return run

    def _workflow(self, job: Address) -> str:
        """The literal of the name that the origin's workflow has without its owner."""
        names = ads.wanted(self._further)
        found = self._pool.ask(
            "find",
            schedd=job.schedd,
            constraint=_by_id(job),
            attributes=names,
            since=float(job.submitted),
        )
        read = [ads.read(answer["ad"], self._further) for answer in found]
        ad = next((ad for ad in read if ad is not None), None)
        if ad is None:
            raise SchedulerError(f"job {job.job} went out of the history of {job.schedd} just now")
        return quoted(ad.workflow or self._naming.workflow_name(ad))

    def _first_run(self, ad: Mapping[str, str | None]) -> Run:
        global_id = (ad.get("GlobalJobId") or "").strip('"')
        found = actions.address(run_name(global_id, 1))
        return Run(self._naming.cluster, "htcondor", found.job, run_name(global_id, 1))

    # ---- a job in parts --------------------------------------------------------------------------

    def _split(self, job: Address, command: list[str]) -> tuple[Run, ...]:
        runs = []
        for job_id in splitting.carry_out(command):
            cluster, _, proc = job_id.partition(".")
            constraint = f"ClusterId == {cluster} && ProcId == {proc}"
            ad = next(iter(self._find(job, constraint, float(job.submitted))), None)
            if ad is None:
                raise SchedulerError(f"{job.schedd} knows no job {job_id}")
            runs.append(self._first_run(ad["ad"]))
        return tuple(runs)


def _by_id(job: Address) -> str:
    cluster, _, proc = job.job.partition(".")
    # All of it is of strict patterns: no quote can be in it.
    return f'ClusterId == {cluster} && ProcId == {proc} && GlobalJobId == "{job.global_id}"'


def _is(ad: Mapping[str, str | None], job: Address) -> bool:
    return ad.get("GlobalJobId") == f'"{job.global_id}"'


def _is_done(verb: str, ad: JobAd | None, job: Address) -> bool:
    """Is the job as the step wants it already?"""
    if verb == actions.REMOVE:
        return ad is None or ad.status == ends.REMOVED
    if ad is None:
        return False
    if verb == actions.HOLD:
        return ad.status == ends.HELD
    return ad.status != ends.HELD or ad.execution > job.execution
