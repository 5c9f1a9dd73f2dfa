"""What users write into their ads on a real pool reaches no command, expression or name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.plugins.scheduler import Refused
from tests.plugins.htcondor.operating import act, operator, record

if TYPE_CHECKING:
    from tests.plugins.htcondor.conftest import Pool

pytestmark = pytest.mark.condor

HOSTILE = [
    'a"; || true',
    "$(touch /home/tester/owned) `touch /home/tester/owned` ; touch /home/tester/owned",
    "$ENV(PATH) $(Cluster) $F(x) $RANDOM_CHOICE(1,2) $INT(1) $$",
    'x" || ClusterId > 0 || "" == "',
    'newline \\n queue 100 \\n +Owner = "root"\ttab',
    "../../etc/passwd",
    "\x1b[2Jescape \u202e right to left",
    'back\\slash \\\\ \\" end\\',
    "x" * 65536,
]


def literal(text: str) -> str:
    """As a string of ClassAds in a submit file, where only a quote has a meaning."""
    escaped = text.replace('"', '\\"')
    escaped = re.sub(r"\$(?=\w*\()", "$(DOLLAR)", escaped)
    return f'"{escaped}"'


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_a_name(pool: Pool, text: str) -> None:
    scheduler = operator(pool)
    lines = (f"My.JobBatchName = {literal(text)}", f"My.Custom = {literal(text)}")
    cluster = pool.submit("exit 3", *lines, queue="queue 2")
    jobs = [f"{cluster}.{proc}" for proc in range(2)]
    for job in jobs:
        pool.wait(job, 4)
    failed = record(scheduler, jobs[0])
    assert failed.facts.name == text[:256]
    assert failed.facts.workflow == f"tester/{text}"[:256]
    (step,) = scheduler.plan(Action(ActionKind.RECOVER, memory_bytes=2**26), [failed])
    assert step.argv == ("htcondor", "resubmit", failed.run.run, "RequestMemory=64")
    (run,) = scheduler.execute(step)
    pool.wait(run.job_id, 4)
    again = record(scheduler, run.job_id)
    assert again.facts.user == "tester"
    assert again.facts.name == text[:256] and again.facts.workflow == failed.facts.workflow
    written = [pool.attribute(job, "Custom") for job in (jobs[0], run.job_id)]
    assert written[0] == written[1] and len(written[0]) >= len(text)
    assert not (pool.home / "owned").exists()
    # Nobody else's job was touched: the array's other failure was not submitted again.
    constraint = f"ClusterId > {cluster} && JobmendParent isnt undefined"
    again_ids = pool.inside("condor_history", "-const", constraint, "-af", "GlobalJobId")
    assert again_ids == run.run.removesuffix("#1")


def test_what_is_no_text_is_no_name_and_hides_no_other_job(pool: Pool) -> None:
    scheduler = operator(pool)
    file = pool.home / "bytes.sub"
    file.write_bytes(
        b"executable = /bin/false\ntransfer_executable = false\nrequest_memory = 60\n"
        b'batch_name = \xff\xfe\x80\nMy.Custom = "\xc3("\nqueue\n'
    )
    file.chmod(0o644)
    told = pool.inside("condor_submit", "-terse", "/home/tester/bytes.sub", user="tester")
    job, other = told.split()[0], pool.submit("exit 3") + ".0"
    pool.wait(job, 4)
    pool.wait(other, 4)
    failed = record(scheduler, job)
    assert failed.facts.name == "" and failed.facts.user == "tester"
    assert record(scheduler, other).failed
    with pytest.raises(Refused, match="cannot be told again"):
        act(scheduler, Action(ActionKind.RECOVER), failed)


def test_a_hostile_attribute_of_each_type_is_none(pool: Pool) -> None:
    scheduler = operator(pool)
    lines = (
        "My.JobBatchName = {1, 2}",
        'My.JobmendParent = "no/run/key"',
        'My.JobmendWorkflow = [ a = "b" ]',
        "My.AcctGroup = error",
        'My.AllowedJobDuration = "long"',
        "My.MATCH_GLIDEIN_Site = time()",
    )
    job = pool.submit("exit 3", *lines) + ".0"
    pool.wait(job, 4, 5)
    failed = record(scheduler, job)
    assert failed.facts.name == failed.facts.account == failed.facts.parent == ""
    assert failed.facts.workflow == f"tester/{job.split('.')[0]}@{pool.node}"


def test_nobody_joins_the_workflow_of_another_user(pool: Pool) -> None:
    scheduler = operator(pool)
    lines = ('My.JobmendWorkflow = "../root/merge"', "batch_name = ada/merge")
    job = pool.submit("exit 3", *lines) + ".0"
    pool.wait(job, 4)
    assert record(scheduler, job).facts.workflow == "tester/../root/merge"


def test_a_forged_parent_does_not_pass_for_a_step_that_was_done(pool: Pool) -> None:
    scheduler = operator(pool)
    job = pool.submit("exit 3") + ".0"
    pool.wait(job, 4)
    failed = record(scheduler, job)
    file = pool.root / "home" / "tester2" / "forged.sub"
    file.write_text(
        "executable = /bin/true\ntransfer_executable = false\nrequest_memory = 60\n"
        f'My.JobmendParent = "{failed.run.key}"\nqueue\n'
    )
    file.chmod(0o644)
    told = pool.inside("condor_submit", "-terse", "/home/tester2/forged.sub", user="tester2")
    (run,) = act(scheduler, Action(ActionKind.RECOVER), failed)
    assert run.job_id != told.split()[0]
    assert pool.attribute(run.job_id, "Owner") == '"tester"'
