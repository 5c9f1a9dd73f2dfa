"""Every action on a real Slurm, by an operator who is not root, followed to its end.

What is carried out is noted by the commands themselves and is the plan, word for word.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import EventKind
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.slurm.actions import NO_STEPS
from tests.plugins.slurm.watched import Watched, restarts

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

HOG = "python3 -c 'x = bytearray(150 * 2**20); import time; time.sleep(1)'"
FAILS_ONCE = '[ -n "$SLURM_RESTART_COUNT" ]'
HANGS_ONCE = f"{FAILS_ONCE} || sleep 300"


@pytest.fixture
def watched(slurm: Cluster, tmp_path: Path) -> Watched:
    return Watched(slurm, tmp_path)


@pytest.fixture
def busy(slurm: Cluster) -> Iterator[str]:
    """A job on all CPUs of siteA: what is submitted there waits."""
    job_id = slurm.submit("sleep 300", "--partition=siteA", "--cpus-per-task=4", "--mem=100M")
    slurm.wait(job_id, "RUNNING")
    yield job_id
    slurm.run("scancel", job_id)
    slurm.wait(job_id, "CANCELLED")


def waiting(watched: Watched, job_id: str) -> RunRecord:
    """A run that waits, out of history, once accounting has it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for event in watched.scheduler.history(time.time() - 60):
            if event.run.job_id == job_id and event.kind is EventKind.QUEUED:
                return RunRecord(event.run, event.facts)
        time.sleep(0.2)
    raise AssertionError(f"accounting never told that job {job_id} waits")


# ---- recover, resubmit, clone ------------------------------------------------------------------


def test_a_job_out_of_memory_is_recovered_with_more(slurm: Cluster, watched: Watched) -> None:
    if slurm.cgroups != "v1":
        pytest.skip("no cgroup v1 controllers here: Slurm enforces no memory limit")
    job_id = slurm.submit(HOG, "--mem=100M")
    slurm.wait(job_id, "OUT_OF_MEMORY")
    runs = watched.act(Action(ActionKind.RECOVER, memory_bytes=300 * 2**20), job_id)
    assert runs == (Run("testbed", "slurm", job_id, "1"),)
    slurm.wait(job_id, "COMPLETED")
    (record,) = watched.records(job_id, attempt=1)
    assert record.run == runs[0] and record.succeeded
    assert record.facts.request.memory_bytes == 300 * 2**20
    assert record.facts.parent == f"testbed/slurm/{job_id}/0"
    told = {(event.run.run, event.kind.value) for event in slurm.hooks.events(job_id)}
    assert told >= {("0", "start"), ("0", "end"), ("1", "start")}


def test_a_transient_failure_is_resubmitted(slurm: Cluster, watched: Watched) -> None:
    job_id = slurm.submit(FAILS_ONCE)
    slurm.wait(job_id, "FAILED")
    watched.act(Action(ActionKind.RESUBMIT, walltime_seconds=1800), job_id)
    slurm.wait(job_id, "COMPLETED")
    (record,) = watched.records(job_id, attempt=1)
    assert record.succeeded and record.facts.request.walltime_seconds == 1800


def test_a_hanging_job_is_resubmitted_while_it_runs(slurm: Cluster, watched: Watched) -> None:
    job_id = slurm.submit(HANGS_ONCE)
    slurm.wait(job_id, "RUNNING")
    runs = watched.act(Action(ActionKind.RESUBMIT), job_id, ended=False)
    slurm.wait(job_id, "COMPLETED")
    assert runs == (watched.records(job_id, attempt=1)[0].run,)


def test_a_job_of_a_bad_site_is_moved(slurm: Cluster, watched: Watched) -> None:
    job_id = slurm.submit('[ "$SLURM_JOB_PARTITION" != siteA ]', "--partition=siteA")
    slurm.wait(job_id, "FAILED")
    action = Action(
        ActionKind.RECOVER,
        sites_use=("siteB",),
        sites_avoid=("siteA",),
        nodes_avoid=(slurm.nodes[1],),
    )
    watched.act(action, job_id)
    slurm.wait(job_id, "COMPLETED")
    assert watched.records(job_id, attempt=1)[0].facts.site == "siteB"
    assert slurm.run("sacct", "-nXPo", "NodeList", "-j", job_id) == slurm.nodes[2]


def test_only_the_failed_tasks_of_an_array_run_again(slurm: Cluster, watched: Watched) -> None:
    """Of one array, and of a job beside it, in three commands for all of them."""
    array = slurm.submit(f"{FAILS_ONCE} || exit $((SLURM_ARRAY_TASK_ID % 3))", "--array=0-11")
    job_id = slurm.submit(FAILS_ONCE)
    for task in range(12):
        slurm.wait(f"{array}_{task}", "FAILED" if task % 3 else "COMPLETED")
    slurm.wait(job_id, "FAILED")
    records = watched.records(*slurm.raw_ids(array), job_id)
    steps = watched.scheduler.plan(Action(ActionKind.RECOVER, walltime_seconds=600), records)
    jobs = f"{array}_[1-2,4-5,7-8,10-11],{job_id}"
    assert [" ".join(step.argv) for step in steps] == [
        f"scontrol requeuehold {jobs}",
        f"scontrol update JobId={jobs} StartTime=now+2 TimeLimit=10",
        f"scontrol release {jobs}",
    ]
    runs = watched.carry_out(steps)
    failed = {record.run.job_id for record in records if record.failed}
    assert {(run.job_id, run.run) for run in runs} == {(job, "1") for job in failed}
    assert len(failed) == 9
    for run in runs:
        slurm.wait(run.job_id if run.job_id == job_id else array_task(slurm, run), "COMPLETED")
    wanted = {str(task): "1" if task % 3 else "0" for task in range(12)}
    assert restarts(slurm, array) == wanted
    assert all(record.succeeded for record in watched.records(*failed, attempt=1))


def array_task(slurm: Cluster, run: Run) -> str:
    return slurm.run("squeue", "-ha", "--states=all", "-o", "%i", "-j", run.job_id).splitlines()[0]


def test_a_clone_runs_all_again(slurm: Cluster, watched: Watched) -> None:
    jobs = [slurm.submit(FAILS_ONCE), slurm.submit("exit 0")]
    for job_id, state in zip(jobs, ("FAILED", "COMPLETED")):
        slurm.wait(job_id, state)
    runs = watched.act(Action(ActionKind.CLONE), *jobs)
    assert runs == tuple(Run("testbed", "slurm", job_id, "1") for job_id in jobs)
    for job_id in jobs:
        slurm.wait(job_id, "COMPLETED")
    assert all(record.succeeded for record in watched.records(*jobs, attempt=1))


# ---- kill, hold, release -----------------------------------------------------------------------


def test_running_and_waiting_jobs_are_killed(slurm: Cluster, watched: Watched, busy: str) -> None:
    jobs = [busy, slurm.submit("true", "--partition=siteA")]
    records = [
        *watched.records(jobs[0], ended=False),
        waiting(watched, jobs[1]),
    ]
    steps = watched.scheduler.plan(Action(ActionKind.KILL), records)
    assert [step.argv for step in steps] == [("scancel", ",".join(jobs))]
    assert watched.carry_out(steps) == ()
    for job_id in jobs:
        slurm.wait(job_id, "CANCELLED")
    for record in watched.records(*jobs):
        assert record.exit is not None and record.exit.reason == "by 20002"
    assert [watched.scheduler.execute(step) for step in steps] == [()]
    assert watched.carried_out() == []  # they are gone already


def test_a_running_job_is_held_and_released(slurm: Cluster, watched: Watched) -> None:
    job_id = slurm.submit(HANGS_ONCE)
    slurm.wait(job_id, "RUNNING")
    again = Run("testbed", "slurm", job_id, "1")
    assert watched.act(Action(ActionKind.HOLD), job_id, ended=False) == (again,)
    slurm.wait(job_id, "PENDING")
    assert "job_requeued_in_held_state" in slurm.run("scontrol", "show", "job", "-o", job_id)
    assert watched.act(Action(ActionKind.RELEASE), job_id) == (again,)
    slurm.wait(job_id, "COMPLETED")
    (held,), (released,) = (watched.records(job_id, attempt=attempt) for attempt in (0, 1))
    assert released.succeeded and held.ended and released.started
    assert released.started - held.ended < 100  # and not after two minutes


@pytest.mark.usefixtures("busy")
def test_an_array_that_waits_is_held_released_and_killed(slurm: Cluster, watched: Watched) -> None:
    array = slurm.submit("true", "--array=0-119", "--partition=siteA", "--cpus-per-task=4")
    record = waiting(watched, array)
    for kind, command in (
        (ActionKind.HOLD, "scontrol hold"),
        (ActionKind.RELEASE, "scontrol release"),
        (ActionKind.KILL, "scancel"),
    ):
        steps = watched.scheduler.plan(Action(kind), [record])
        assert [" ".join(step.argv) for step in steps] == [
            f"{command} {array}_[0-49]",
            f"{command} {array}_[50-99]",
            f"{command} {array}_[100-119]",
        ]
        runs = watched.carry_out(steps)
        # Those that were held beside others have job ids of their own by now.
        assert len(runs) > 100 if kind is ActionKind.RELEASE else not runs
        assert {run.run for run in runs} <= {record.run.run}
        listed = slurm.run("squeue", "-har", "--states=all", "-j", array, "-o", "%T %Q")
        seen = set(listed.splitlines())
        if kind is ActionKind.HOLD:
            assert seen == {"PENDING 0"}
        elif kind is ActionKind.RELEASE:
            assert "PENDING 0" not in seen and all(line.startswith("PENDING") for line in seen)
        else:
            assert all(line.startswith("CANCELLED") for line in seen)


def test_what_people_do_changes_nothing(slurm: Cluster, watched: Watched) -> None:
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    records = watched.records(job_id)
    for kind in sorted(NO_STEPS):
        assert watched.scheduler.plan(Action(kind), records) == []
    assert watched.carried_out() == [] and restarts(slurm, job_id) == {job_id: "0"}
