"""The brain's side of a real pool: an operator who is not root, and what he is told of jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from jobmend.jobs.actions import Action
from jobmend.jobs.events import JobEvent
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.htcondor import ads, ends
from jobmend.plugins.htcondor.scheduler import HTCondorScheduler

if TYPE_CHECKING:
    from tests.plugins.htcondor.conftest import Pool

pytest.importorskip("htcondor2")  # a brain's

OPERATOR = "tester2"
CLUSTER = "pool"
PATIENCE_SECONDS = 120.0
REFUSED = "ClaimId not found"  # VacateReason


def operator(pool: Pool, **settings: Any) -> HTCondorScheduler:
    """The plugin with a token that may read and write, of a queue super user."""
    tokens = pool.root / "operator"
    if not tokens.exists():
        told = ",".join(name for name in ads.ATTRIBUTES if name != "EpochWriteDate")
        pool.configure(
            "98-brain.conf",
            f"QUEUE_SUPER_USERS = root, condor, {OPERATOR}\n"
            f"EVENT_LOG_JOB_AD_INFORMATION_ATTRS = {told}\n",
        )
        pool.inside("condor_qusers", "-add", f"{OPERATOR}@testbed.local")
        pool.inside("condor_reconfig")
        tokens.mkdir(mode=0o700)
        words = ("-identity", f"{OPERATOR}@testbed.local", "-authz", "READ", "-authz", "WRITE")
        token = pool.inside("condor_token_create", *words)
        (tokens / "token").write_text(token + "\n")
        (tokens / "token").chmod(0o600)
    config = pool.env["CONDOR_CONFIG"]
    return HTCondorScheduler(CLUSTER, config=config, token_dir=str(tokens), **settings)


def told(scheduler: HTCondorScheduler, job: str) -> list[JobEvent]:
    """Everything that history tells of a job (``ClusterId.ProcId``) now."""
    events = scheduler.history(time.time() - 3600)
    return [event for event in events if event.run.job_id == job]


def executions(scheduler: HTCondorScheduler, job: str) -> dict[int, RunRecord]:
    """The runs of a job that history tells of now, as the brain sees them, by their ordinals."""
    from jobmend.brain import runs

    by_ordinal: dict[int, list[JobEvent]] = {}
    for event in told(scheduler, job):
        by_ordinal.setdefault(int(event.run.run.rpartition("#")[2]), []).append(event)
    seen = {ordinal: runs.view(by_ordinal[ordinal]) for ordinal in sorted(by_ordinal)}
    return {ordinal: run for ordinal, run in seen.items() if run is not None}


def was_refused(run: RunRecord) -> bool:
    """Did its slot refuse it before it began? Then HTCondor starts the job again.

    It happens to any job: of those that start at one moment, to one in forty with 25.14.
    """
    exit = run.exit
    return exit is not None and (exit.state, exit.reason) == (ends.WORD_VACATED, REFUSED)


def record(
    scheduler: HTCondorScheduler, job: str, begun: int = 1, *, ended: bool = True
) -> RunRecord:
    """One run of those that no slot refused; waits until history tells of it (and of its end)."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = executions(scheduler, job)
        mine = [run for run in found.values() if not was_refused(run)][begun - 1 : begun]
        if mine and (mine[0].exit is not None or not ended):
            return mine[0]
        assert time.monotonic() < deadline, f"job {job}: run {begun} is not told: {found}"
        time.sleep(0.5)


def execution(scheduler: HTCondorScheduler, job: str, ordinal: int) -> RunRecord:
    """The run of this ordinal, whatever became of it; waits until history tells of its end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = executions(scheduler, job)
        if ordinal in found and found[ordinal].exit is not None:
            return found[ordinal]
        assert time.monotonic() < deadline, f"job {job}: run {ordinal} is not told: {found}"
        time.sleep(0.5)


def is_brought_about(scheduler: HTCondorScheduler, seen: RunRecord, run: Run) -> bool:
    """Is ``seen`` the run that an action named, or the next one where a slot refused that?"""
    refused = filter(was_refused, executions(scheduler, run.job_id).values())
    return seen.run == run or run in {each.run for each in refused}


def parent_of(scheduler: HTCondorScheduler, seen: RunRecord) -> str:
    """The key of the run before this one, of those that no slot refused."""
    all_of_job = executions(scheduler, seen.run.job_id).values()
    refused = {each.run.key: each.facts.parent for each in all_of_job if was_refused(each)}
    parent = seen.facts.parent
    while parent in refused:
        parent = refused[parent]
    return parent


def act(scheduler: HTCondorScheduler, action: Action, *records: RunRecord) -> tuple[Run, ...]:
    """Plan, carry out every step; the runs that it brought about."""
    steps = scheduler.plan(action, list(records))
    assert steps
    return tuple(run for step in steps for run in scheduler.execute(step))
