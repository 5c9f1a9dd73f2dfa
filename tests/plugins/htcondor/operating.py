"""The brain's side of a real pool: an operator who is not root, and what he is told of jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from jobmend.jobs.actions import Action
from jobmend.jobs.events import JobEvent
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.htcondor import ads
from jobmend.plugins.htcondor.scheduler import HTCondorScheduler

if TYPE_CHECKING:
    from tests.plugins.htcondor.conftest import Pool

pytest.importorskip("htcondor2")  # a brain's

OPERATOR = "tester2"
CLUSTER = "pool"
PATIENCE_SECONDS = 60.0


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


def record(
    scheduler: HTCondorScheduler, job: str, execution: int = 1, *, ended: bool = True
) -> RunRecord:
    """One run as the brain sees it; waits until history tells of it (and of its end)."""
    from jobmend.brain import runs

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        events = told(scheduler, job)
        mine = [event for event in events if event.run.run.endswith(f"#{execution}")]
        seen = runs.view(mine)
        if seen is not None and (seen.exit is not None or not ended):
            return seen
        assert time.monotonic() < deadline, f"job {job}: run {execution} is not told: {events}"
        time.sleep(0.5)


def act(scheduler: HTCondorScheduler, action: Action, *records: RunRecord) -> tuple[Run, ...]:
    """Plan, carry out every step; the runs that it brought about."""
    steps = scheduler.plan(action, list(records))
    assert steps
    return tuple(run for step in steps for run in scheduler.execute(step))
