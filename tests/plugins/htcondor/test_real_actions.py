"""Actions on a real pool, carried out by an operator who is not root, each to its end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.exits import ExitKind, htcondor_exit
from jobmend.jobs.identity import Run
from jobmend.plugins.htcondor.scheduler import HTCondorScheduler
from jobmend.plugins.scheduler import Refused, SchedulerError, Step
from tests.plugins.htcondor.operating import act, is_brought_about, operator, parent_of, record

if TYPE_CHECKING:
    from tests.plugins.htcondor.conftest import Pool

pytestmark = pytest.mark.condor

MB = 2**20
HOG = 'exec python3 -c "x = bytearray(200 * 2**20); import time; time.sleep(2)"'
# The first execution does one thing, a later one another.
FIRST = "[ -e /home/tester/{0} ] || {{ touch /home/tester/{0}; {1}; }}"


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline, f"no job made {file}"
        time.sleep(0.2)


def new_job(run: Run) -> str:
    assert run.run.endswith("#1")
    return run.job_id


def test_a_job_out_of_memory_is_recovered_with_more(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit(HOG, "request_memory = 60") + ".0"
    pool.wait(job, 5)
    held = record(scheduler, job)
    assert held.exit is not None and held.exit.kind is ExitKind.OUT_OF_MEMORY
    action = Action(ActionKind.RECOVER, memory_bytes=400 * MB)
    steps = scheduler.plan(action, [held])
    assert [step.argv[:2] for step in steps] == [("htcondor", "edit"), ("htcondor", "release")]
    assert steps[0].argv[2:] == (held.run.run, "RequestMemory=400")
    (run,) = act(scheduler, action, held)
    pool.wait(job, 4)
    again = record(scheduler, job, 2)
    assert is_brought_about(scheduler, again, run) and again.succeeded
    assert again.facts.request.memory_bytes == 400 * MB
    assert parent_of(scheduler, again) == held.run.key


def test_a_job_over_its_time_gets_more(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit("sleep 20", "allowed_execute_duration = 2") + ".0"
    pool.wait(job, 5)
    late = record(scheduler, job)
    act(scheduler, Action(ActionKind.RECOVER, walltime_seconds=600), late)
    pool.wait(job, 4)
    again = record(scheduler, job, 2)
    assert again.succeeded and again.facts.request.walltime_seconds == 600


def test_a_job_that_failed_and_left_is_submitted_again(pool: Pool) -> None:
    scheduler = operator(pool)
    script = FIRST.format("again", "exit 3")
    job = pool.submit(script, "batch_name = mend", "+Custom = {1, 2}", "request_memory = 60") + ".0"
    pool.wait(job, 4)
    failed = record(scheduler, job)
    (step,) = scheduler.plan(Action(ActionKind.RESUBMIT, memory_bytes=90 * MB), [failed])
    assert step.argv == ("htcondor", "resubmit", failed.run.run, "RequestMemory=90")
    (run,) = scheduler.execute(step)
    assert scheduler.execute(step) == (run,)  # a step that was interrupted is not done twice
    pool.wait(new_job(run), 4)
    assert scheduler.execute(step) == (run,)
    again = record(scheduler, run.job_id)
    assert is_brought_about(scheduler, again, run) and again.succeeded
    assert parent_of(scheduler, again) == failed.run.key
    assert again.facts.workflow == failed.facts.workflow == "tester/mend"
    assert again.facts.user == "tester" and again.facts.request.memory_bytes == 90 * MB
    told = pool.inside(
        "condor_history",
        "-const",
        f'JobmendParent == "{failed.run.key}"',
        "-af:r",
        "Owner",
        "Custom",
        "JobBatchName",
    )
    assert told == '"tester" { 1,2 } "mend"'


def test_what_the_schedd_fills_in_is_filled_in_again(pool: Pool) -> None:
    scheduler = operator(pool)
    script = FIRST.format("filled", "exit 3") + ' && [ "$$(Cpus) $$([1+1])" = "1 2" ]'
    job = pool.submit(script) + ".0"
    pool.wait(job, 4)
    (run,) = act(scheduler, Action(ActionKind.RECOVER), record(scheduler, job))
    pool.wait(new_job(run), 4)
    assert record(scheduler, run.job_id).succeeded


def test_only_the_failed_parts_of_a_workflow_are_recovered(pool: Pool) -> None:
    scheduler = operator(pool)
    script = FIRST.format("part$(Process)", "exit $(Process)")
    cluster = pool.submit(script, queue="queue 3")
    for proc in range(3):
        pool.wait(f"{cluster}.{proc}", 4)
    records = [record(scheduler, f"{cluster}.{proc}") for proc in range(3)]
    runs = act(scheduler, Action(ActionKind.RECOVER), *records)
    assert len(runs) == 2
    for run in runs:
        pool.wait(new_job(run), 4)
        again = record(scheduler, run.job_id)
        assert again.succeeded and again.facts.workflow == f"tester/{cluster}@{pool.node}"


def test_a_whole_workflow_is_cloned(pool: Pool) -> None:
    scheduler = operator(pool)
    cluster = pool.submit("exit 0", queue="queue 2")
    for proc in range(2):
        pool.wait(f"{cluster}.{proc}", 4)
    records = [record(scheduler, f"{cluster}.{proc}") for proc in range(2)]
    runs = act(scheduler, Action(ActionKind.CLONE), *records)
    assert len(set(runs)) == 2
    for run in runs:
        pool.wait(new_job(run), 4)


def test_a_hanging_job_is_resubmitted_while_it_runs(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit(FIRST.format("hang", "sleep 600")) + ".0"
    wait_for(pool.home / "hang")
    hangs = record(scheduler, job, ended=False)
    (run,) = act(scheduler, Action(ActionKind.RESUBMIT, memory_bytes=70 * MB), hangs)
    pool.wait(job, 4)
    again = record(scheduler, job, 2)
    assert is_brought_about(scheduler, again, run) and again.succeeded
    assert again.facts.request.memory_bytes == 70 * MB


def test_running_and_waiting_jobs_are_killed(pool: Pool) -> None:
    scheduler = operator(pool)
    running, waiting = pool.submit("sleep 600"), pool.submit("exit 0", "requirements = NoSuch")
    pool.process(f"{running}.0")
    jobs = [record(scheduler, f"{cluster}.0", ended=False) for cluster in (running, waiting)]
    steps = scheduler.plan(Action(ActionKind.KILL), jobs)
    for step in [*steps, *steps]:  # the second time there is nothing left to do
        assert scheduler.execute(step) == ()
    for job in jobs:
        pool.wait(job.run.job_id, 3)
        ended = record(scheduler, job.run.job_id)
        assert ended.run == job.run
        assert ended.exit is not None and ended.exit.kind is ExitKind.CANCELLED


def test_a_running_job_is_held_and_released(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit(FIRST.format("hold", "sleep 600")) + ".0"
    wait_for(pool.home / "hold")
    runs = record(scheduler, job, ended=False)
    assert act(scheduler, Action(ActionKind.HOLD), runs) == ()
    pool.wait(job, 5)
    held = record(scheduler, job)
    assert held.exit is not None and held.exit.kind is ExitKind.HELD
    assert "jobmend" in held.exit.reason
    (step,) = scheduler.plan(Action(ActionKind.RELEASE), [held])
    (run,) = scheduler.execute(step)
    assert scheduler.execute(step) == (run,)
    pool.wait(job, 4)
    assert is_brought_about(scheduler, record(scheduler, job, 2), run)


def test_a_waiting_job_is_held_and_released(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit("exit 0", "requirements = NoSuch") + ".0"
    waits = record(scheduler, job, ended=False)
    act(scheduler, Action(ActionKind.HOLD), waits)
    assert pool.wait(job, 5) == 5
    still = record(scheduler, job, ended=False)
    assert act(scheduler, Action(ActionKind.RELEASE), still) == (waits.run,)
    assert pool.wait(job, 1) == 1
    pool.inside("condor_rm", job)


def test_a_node_and_a_site_are_avoided(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit("exit 0", 'requirements = TARGET.Machine != "nowhere"', "hold = true") + ".0"
    pool.wait(job, 5)
    waits = record(scheduler, job, ended=False)
    away = Action(ActionKind.RECOVER, nodes_avoid=(pool.node,))
    held = replace(waits, exit=htcondor_exit(5, None, None, 1))
    act(scheduler, away, held)
    for _ in range(2):  # negotiation cycles are 2 s apart
        time.sleep(3)
        assert pool.wait(job, 1) == 1
    pool.inside("condor_hold", job)
    back = Action(ActionKind.RECOVER, sites_use=(pool.node,), sites_avoid=("elsewhere",))
    act(scheduler, back, held)
    assert pool.wait(job, 4) == 4
    own = pool.attribute(job, "JobmendOriginalRequirements")
    assert own.startswith('(TARGET.Machine != "nowhere")') and "Jobmend" not in own


def test_data_access_is_merged_into_the_environment(pool: Pool) -> None:
    access = {"xrootd": {"ACCESS": "root://a b'c/$(Owner)"}}
    scheduler = operator(pool, data_access=access)
    script = 'echo "$OWN $ACCESS" > /home/tester/access; [ -n "$ACCESS" ]'
    job = pool.submit(script, "environment = \"OWN='my own'\"") + ".0"
    pool.wait(job, 4)
    failed = record(scheduler, job)
    (run,) = act(scheduler, Action(ActionKind.RECOVER, data_access="xrootd"), failed)
    pool.wait(new_job(run), 4)
    assert (pool.home / "access").read_text() == "my own root://a b'c/$(Owner)\n"
    assert record(scheduler, run.job_id).succeeded


def test_work_is_split_by_the_command_of_the_site(pool: Pool) -> None:
    command = pool.root / "split"
    command.write_text(
        f'#!/bin/sh\n{pool.root}/in -u "$3" condor_submit -terse'
        " /home/tester/part.sub -queue \"$2\" | sed 's/ - /\\n/'\n"
    )
    command.chmod(0o755)
    part = pool.home / "part.sub"
    part.write_text("executable = /bin/true\ntransfer_executable = false\nrequest_memory = 60\n")
    part.chmod(0o644)
    argv = (str(command), "{address}", "{splitting}", "{user}")
    scheduler = operator(pool, splitting_command=argv)
    job = pool.submit("exit 3") + ".0"
    pool.wait(job, 4)
    failed = record(scheduler, job)
    (step,) = scheduler.plan(Action(ActionKind.RECOVER, splitting=2), [failed])
    assert step.argv == (
        "htcondor",
        "split",
        failed.run.run,
        str(command),
        failed.run.run,
        "2",
        "tester",
    )
    runs = scheduler.execute(step)
    assert len(runs) == 2
    for run in runs:
        pool.wait(new_job(run), 4)


def test_what_is_gone_is_an_error(pool: Pool) -> None:
    scheduler = operator(pool)
    gone = f"{pool.node}#999999.0#1795242239#1"
    for verb, words in (("hold", "has left"), ("edit", "has left"), ("release", "has left")):
        with pytest.raises(SchedulerError, match=words):
            scheduler.execute(Step(("htcondor", verb, gone, "RequestMemory=1")[:4], "gone"))
    with pytest.raises(Refused, match="not in the history"):
        scheduler.execute(Step(("htcondor", "resubmit", gone), "gone"))
    assert scheduler.execute(Step(("htcondor", "remove", gone), "gone")) == ()


def test_a_user_who_is_no_super_user_may_not(pool: Pool) -> None:
    tokens = pool.root / "nobody"
    tokens.mkdir(mode=0o700)
    token = pool.inside("condor_token_create", "-identity", "nobody@testbed.local")
    (tokens / "token").write_text(token + "\n")
    (tokens / "token").chmod(0o600)
    weak = HTCondorScheduler("pool", config=pool.env["CONDOR_CONFIG"], token_dir=str(tokens))
    job = pool.submit("exit 0", "requirements = NoSuch") + ".0"
    waits = record(weak, job, ended=False)
    with pytest.raises(SchedulerError, match="did not remove"):
        act(weak, Action(ActionKind.KILL), waits)
    assert pool.wait(job, 1) == 1
    pool.inside("condor_rm", job)
