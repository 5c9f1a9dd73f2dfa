"""Steps on a real Slurm are done once, and only to what the plan was made for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.identity import Run
from jobmend.plugins.scheduler import SchedulerError
from jobmend.plugins.slurm.scheduler import SlurmScheduler
from tests.plugins.slurm.watched import Watched, restarts

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

FAILS_ONCE = '[ -n "$SLURM_RESTART_COUNT" ]'


@pytest.fixture
def watched(slurm: Cluster, tmp_path: Path) -> Watched:
    return Watched(slurm, tmp_path)


def test_a_step_that_took_effect_is_not_done_again(slurm: Cluster, watched: Watched) -> None:
    job_id = slurm.submit(FAILS_ONCE)
    slurm.wait(job_id, "FAILED")
    steps = watched.scheduler.plan(Action(ActionKind.RECOVER), watched.records(job_id))
    requeue, change, release = steps
    for step, calls in ((requeue, 1), (requeue, 0), (change, 1), (change, 1), (release, 1)):
        watched.scheduler.execute(step)
        assert watched.carried_out() == [step.argv] * calls
    slurm.wait(job_id, "COMPLETED")
    runs = {step: watched.scheduler.execute(step) for step in (requeue, release)}
    assert watched.carried_out() == [] and restarts(slurm, job_id) == {job_id: "1"}
    assert runs[requeue] == runs[release] == (Run("testbed", "slurm", job_id, "1"),)
    with pytest.raises(SchedulerError, match="does not wait to be changed, it is COMPLETED"):
        watched.scheduler.execute(change)


def test_a_step_that_was_interrupted_is_finished(slurm: Cluster, watched: Watched) -> None:
    array = slurm.submit(FAILS_ONCE, "--array=1-4")
    for task in range(1, 5):
        slurm.wait(f"{array}_{task}", "FAILED")
    records = watched.records(*slurm.raw_ids(array))
    requeue, change, release = watched.scheduler.plan(Action(ActionKind.RECOVER), records)
    slurm.run("scontrol", "requeuehold", f"{array}_[1,3]")  # as far as it had come
    watched.scheduler.execute(requeue)
    assert watched.carried_out() == [("scontrol", "requeuehold", f"{array}_[2,4]")]
    watched.scheduler.execute(change)
    assert watched.carried_out() == [change.argv]
    slurm.run("scontrol", "release", f"{array}_4")
    slurm.wait(f"{array}_4", "COMPLETED")
    assert len(watched.scheduler.execute(release)) == 4
    assert watched.carried_out() == [("scontrol", "release", f"{array}_[1-3]")]
    for task in range(1, 4):
        slurm.wait(f"{array}_{task}", "COMPLETED")
    assert restarts(slurm, array) == dict.fromkeys("1234", "1")


def test_an_answer_that_is_lost_does_not_repeat_a_step(
    slurm: Cluster, watched: Watched, tmp_path: Path
) -> None:
    """The controller does it, and the command does not hear so: it is looked, not done again."""
    lost = tmp_path / "bin" / "scontrol"
    command = lost.read_text().replace("exec ", "")
    told = "slurm_suspend error: Unexpected message received"
    once = f'[ ! -e {tmp_path}/lost ] || exit 0; touch {tmp_path}/lost; echo "{told}" >&2; exit 1'
    lost.write_text(f"{command}\n{once}\n")
    jobs = [slurm.submit(FAILS_ONCE) for _ in range(2)]
    for job_id in jobs:
        slurm.wait(job_id, "FAILED")
    runs = watched.act(Action(ActionKind.RECOVER), *jobs)
    assert {run.run for run in runs} == {"1"} and len(runs) == 2
    for job_id in jobs:
        slurm.wait(job_id, "COMPLETED")
        assert restarts(slurm, job_id) == {job_id: "1"}


Change = Callable[["Cluster", str], object]


def repeat(slurm: Cluster, job_id: str) -> None:
    """Somebody else repeats it, twice."""
    for _ in range(2):
        slurm.run("scontrol", "requeuehold", job_id)
        slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now+2")
        slurm.run("scontrol", "release", job_id)
        slurm.wait(job_id, "COMPLETED")


@pytest.mark.parametrize(
    ("script", "ended", "meanwhile", "problem"),
    [
        (FAILS_ONCE, True, repeat, "was started 2 times over, not 0 as planned"),
        (
            "while [ ! -e /tmp/jm-go-$SLURM_JOB_ID ]; do sleep 0.2; done",
            False,
            lambda slurm, job_id: Path(f"/tmp/jm-go-{job_id}").touch(),
            "does not run any more, it is COMPLETED",
        ),
    ],
)
def test_a_job_that_went_on_meanwhile_is_left_alone(
    slurm: Cluster, watched: Watched, script: str, ended: bool, meanwhile: Change, problem: str
) -> None:
    bystander = slurm.submit(FAILS_ONCE)
    job_id = slurm.submit(script)
    slurm.wait(bystander, "FAILED")
    slurm.wait(job_id, "FAILED" if ended else "RUNNING")
    jobs = (bystander, job_id) if ended else (job_id,)
    records = watched.records(*jobs, ended=ended)
    requeue, *_ = watched.scheduler.plan(Action(ActionKind.RESUBMIT), records)
    try:
        meanwhile(slurm, job_id)
        slurm.wait(job_id, "COMPLETED")
        with pytest.raises(SchedulerError, match=f"job {job_id} {problem}: nothing was done"):
            watched.scheduler.execute(requeue)
    finally:
        Path(f"/tmp/jm-go-{job_id}").unlink(missing_ok=True)
    assert watched.carried_out() == [] and slurm.state(bystander) == "FAILED"


def test_a_job_that_slurm_has_forgotten_is_an_error(slurm: Cluster, watched: Watched) -> None:
    """One among others: they are left as they are."""
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    requeue, *_ = watched.scheduler.plan(Action(ActionKind.RECOVER), watched.records(job_id))
    for jobs in ("999999", f"{job_id},999999"):
        gone = requeue.__class__(("scontrol", "requeuehold", jobs), "", requeue.follow_up)
        with pytest.raises(SchedulerError, match="job 999999 has left the controller"):
            watched.scheduler.execute(gone)
    assert watched.carried_out() == [] and slurm.state(job_id) == "FAILED"


def test_what_slurm_refuses_is_told_in_its_words(slurm: Cluster, watched: Watched) -> None:
    """And what is held because of it, with how to let it go."""
    jobs = [slurm.submit(FAILS_ONCE), slurm.submit("exit 3", "--no-requeue")]
    for job_id in jobs:
        slurm.wait(job_id, "FAILED")
    requeue, _, release = watched.scheduler.plan(Action(ActionKind.RECOVER), watched.records(*jobs))
    told = f"stays held: scontrol release {jobs[0]} lets it run unchanged"
    with pytest.raises(SchedulerError, match=told):
        watched.scheduler.execute(requeue)
    with pytest.raises(SchedulerError, match=f"job {jobs[1]} was not requeued, it is FAILED"):
        watched.scheduler.execute(release)
    slurm.run("scontrol", "release", jobs[0])


def test_missing_commands_are_an_error(slurm: Cluster) -> None:
    with pytest.raises(SchedulerError, match="sacct cannot be started: No such file"):
        list(SlurmScheduler("testbed", env={"PATH": "/nonexistent"}).history(0))
