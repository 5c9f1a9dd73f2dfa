"""Actions on a real Slurm, carried out by an operator who is not root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.identity import Run
from jobmend.plugins.scheduler import SchedulerError
from jobmend.plugins.slurm.scheduler import SlurmScheduler

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

HOG = "python3 -c 'x = bytearray(150 * 2**20); import time; time.sleep(1)'"


def act(slurm: Cluster, action: Action, *jobs: str, ended: bool = True) -> tuple[Run, ...]:
    """Plan and carry out on the first run of each job; the follow-up runs."""
    scheduler = slurm.scheduler()
    records = [slurm.record(scheduler, job_id, ended=ended) for job_id in jobs]
    steps = scheduler.plan(action, records)
    assert steps
    return tuple(run for step in steps for run in scheduler.execute(step))


def test_a_job_out_of_memory_is_recovered_with_more(slurm: Cluster) -> None:
    if slurm.cgroups != "v1":
        pytest.skip("no cgroup v1 controllers here: Slurm enforces no memory limit")
    job_id = slurm.submit(HOG, "--mem=100M")
    slurm.wait(job_id, "OUT_OF_MEMORY")
    runs = act(slurm, Action(ActionKind.RECOVER, memory_bytes=300 * 2**20), job_id)
    assert runs == (Run("testbed", "slurm", job_id, "1"),)
    slurm.wait(job_id, "COMPLETED")
    record = slurm.record(slurm.scheduler(), job_id, attempt=1)
    assert record.run == runs[0] and record.succeeded
    assert record.facts.request.memory_bytes == 300 * 2**20
    assert record.facts.parent == f"testbed/slurm/{job_id}/0"
    told = {(event.run.run, event.kind.value) for event in slurm.hooks.events(job_id)}
    assert told >= {("0", "start"), ("0", "end"), ("1", "start")}


def test_a_transient_failure_is_resubmitted(slurm: Cluster) -> None:
    job_id = slurm.submit('[ -n "$SLURM_RESTART_COUNT" ]')
    slurm.wait(job_id, "FAILED")
    act(slurm, Action(ActionKind.RESUBMIT, walltime_seconds=1800), job_id)
    slurm.wait(job_id, "COMPLETED")
    record = slurm.record(slurm.scheduler(), job_id, attempt=1)
    assert record.facts.request.walltime_seconds == 1800


def test_a_job_of_a_bad_site_is_moved(slurm: Cluster) -> None:
    job_id = slurm.submit('[ "$SLURM_JOB_PARTITION" != siteA ]', "--partition=siteA")
    slurm.wait(job_id, "FAILED")
    action = Action(
        ActionKind.RECOVER,
        sites_use=("siteB",),
        sites_avoid=("siteA",),
        nodes_avoid=(slurm.nodes[1],),
    )
    act(slurm, action, job_id)
    slurm.wait(job_id, "COMPLETED")
    assert slurm.record(slurm.scheduler(), job_id, attempt=1).facts.site == "siteB"
    assert slurm.run("sacct", "-nXPo", "NodeList", "-j", job_id) == slurm.nodes[2]


def test_only_the_failed_tasks_of_an_array_run_again(slurm: Cluster) -> None:
    script = '[ -n "$SLURM_RESTART_COUNT" ] || exit $((SLURM_ARRAY_TASK_ID - 1))'
    array = slurm.submit(script, "--array=1-3")
    for task, state in (("1", "COMPLETED"), ("2", "FAILED"), ("3", "FAILED")):
        slurm.wait(f"{array}_{task}", state)
    assert len(act(slurm, Action(ActionKind.RECOVER), *slurm.raw_ids(array))) == 2
    for task in ("2", "3"):
        slurm.wait(f"{array}_{task}", "COMPLETED")
    shown = slurm.run("scontrol", "show", "job", "--oneliner", array)
    tasks = re.findall(r"ArrayTaskId=(\d).* Restarts=(\d)", shown)
    assert sorted(tasks) == [("1", "0"), ("2", "1"), ("3", "1")]


def test_a_hanging_job_is_resubmitted_while_it_runs(slurm: Cluster) -> None:
    job_id = slurm.submit('[ -n "$SLURM_RESTART_COUNT" ] || sleep 300')
    slurm.wait(job_id, "RUNNING")
    act(slurm, Action(ActionKind.RESUBMIT), job_id, ended=False)
    slurm.wait(job_id, "COMPLETED", seconds=30)


def test_a_running_job_is_killed(slurm: Cluster) -> None:
    job_id = slurm.submit("sleep 300")
    slurm.wait(job_id, "RUNNING")
    act(slurm, Action(ActionKind.KILL), job_id, ended=False)
    slurm.wait(job_id, "CANCELLED")
    record = slurm.record(slurm.scheduler(), job_id)
    assert record.exit is not None and record.exit.reason == "by 20002"


def test_a_running_job_is_held_and_released(slurm: Cluster) -> None:
    job_id = slurm.submit('[ -n "$SLURM_RESTART_COUNT" ] || sleep 300')
    slurm.wait(job_id, "RUNNING")
    assert act(slurm, Action(ActionKind.HOLD), job_id, ended=False) == ()
    slurm.wait(job_id, "PENDING")
    assert "job_requeued_in_held_state" in slurm.run("scontrol", "show", "job", "-o", job_id)
    runs = act(slurm, Action(ActionKind.RELEASE), job_id)
    assert runs == (Run("testbed", "slurm", job_id, "1"),)
    # Slurm keeps a requeued job back for two minutes; what is tested is that it is released.
    shown = slurm.run("scontrol", "show", "job", "-o", job_id)
    assert "held" not in shown.lower() and "JobState=PENDING" in shown
    slurm.run("scancel", job_id)


def test_a_job_that_slurm_has_forgotten_is_an_error(slurm: Cluster) -> None:
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    scheduler = slurm.scheduler()
    steps = scheduler.plan(Action(ActionKind.RECOVER), [slurm.record(scheduler, job_id)])
    gone = steps[0].__class__(("scontrol", "requeuehold", "999999"), "a job long gone")
    with pytest.raises(SchedulerError, match="Invalid job id specified"):
        scheduler.execute(gone)


def test_missing_commands_are_an_error(slurm: Cluster) -> None:
    with pytest.raises(SchedulerError, match="sacct cannot be started: No such file"):
        SlurmScheduler("testbed", env={"PATH": "/nonexistent"}).history(0)
