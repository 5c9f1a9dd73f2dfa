"""Plans: what each action is on Slurm, and what gets into a command."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import JobFacts
from jobmend.jobs.exits import Exit, slurm_exit
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.scheduler import Refused, Step
from jobmend.plugins.slurm.actions import NO_STEPS, plan

GIB = 2**30


def record(job_id: str = "42", run: str = "0", state: str = "FAILED", code: int = 3) -> RunRecord:
    """An ended run, or one that is RUNNING or PENDING."""
    active = state in ("RUNNING", "PENDING")
    end: Exit | None = None if active else slurm_exit(state, code, 0)
    started = None if state == "PENDING" else 10.0
    identity = Run("testbed", "slurm", job_id, run)
    attempt = int(run) if run.isdigit() else 0
    return RunRecord(identity, JobFacts(attempt=attempt, user="ada"), started=started, exit=end)


SUCCESS = record("1", state="COMPLETED", code=0)
FAILURE = record("2")
CANCELLED = record("3", state="CANCELLED", code=0)
RUNNING = record("4", state="RUNNING")
PENDING = record("5", state="PENDING")
ALL = [SUCCESS, FAILURE, CANCELLED, RUNNING, PENDING]
PLAIN = {str(number): str(number) for number in (1, 2, 3, 4, 5, 42)}


COMMAND = ("/opt/site/resubmit", "--job={address}", "--parts", "{splitting}", "{user}")
ACCESS = {"xrootd": {"XRD_REDIRECTOR": "root://x.example//"}, "bad": {"A B": "1"}}


def commands(action: Action, *records: RunRecord, sites: tuple[str, ...] = ()) -> list[str]:
    return [" ".join(step.argv) for step in plan(action, records, PLAIN, sites)]


def jobs(kind: ActionKind, *records: RunRecord) -> list[str]:
    return [line for line in commands(Action(kind), *records) if "requeuehold" in line]


def anew(action: Action, *records: RunRecord) -> list[str]:
    steps = plan(action, records, PLAIN, splitting_command=COMMAND, data_access=ACCESS)
    return [" ".join(step.argv) for step in steps]


def test_a_recovery_requeues_changes_and_releases() -> None:
    action = Action(
        ActionKind.RECOVER,
        memory_bytes=3 * GIB // 2 + 1,
        walltime_seconds=3601,
        sites_use=("siteB", "siteC"),
        sites_avoid=("siteA",),
        nodes_avoid=("node7", "node-8.cluster"),
    )
    again = Run("testbed", "slurm", "42", "3")
    assert plan(action, [record(run="2")], PLAIN) == [
        Step(("scontrol", "requeuehold", "42"), "requeue job 42 and hold it", again),
        Step(
            (
                "scontrol",
                "update",
                "JobId=42",
                "StartTime=now+2",
                "MinMemoryNode=1537",
                "TimeLimit=61",
                "Partition=siteB,siteC",
                "ExcNodeList=node7,node-8.cluster",
            ),
            "change job 42: StartTime=now+2 MinMemoryNode=1537 TimeLimit=61 Partition=siteB,siteC"
            " ExcNodeList=node7,node-8.cluster",
        ),
        Step(("scontrol", "release", "42"), "let job 42 run", again),
    ]


def test_each_kind_takes_the_runs_it_is_for() -> None:
    assert jobs(ActionKind.RECOVER, *ALL) == ["scontrol requeuehold 2"]
    assert jobs(ActionKind.RESUBMIT, *ALL) == [
        "scontrol requeuehold 2,3",
        "scontrol requeuehold Incomplete 4",
    ]
    assert jobs(ActionKind.CLONE, SUCCESS, FAILURE) == ["scontrol requeuehold 1,2"]
    assert commands(Action(ActionKind.KILL), *ALL) == ["scancel 4,5"]
    assert commands(Action(ActionKind.HOLD), *ALL) == [
        "scontrol hold 5",
        "scontrol requeuehold Incomplete 4",
    ]
    assert commands(Action(ActionKind.RELEASE), SUCCESS, RUNNING, PENDING) == ["scontrol release 5"]


def test_a_release_brings_the_run_that_waits_or_the_next_of_one_that_was_stopped() -> None:
    (waiting,) = plan(Action(ActionKind.RELEASE), [PENDING], PLAIN)
    assert waiting.follow_up == PENDING.run
    change, ended = plan(Action(ActionKind.RELEASE), [FAILURE], PLAIN)
    assert change.argv == ("scontrol", "update", "JobId=2", "StartTime=now+2")
    assert ended.follow_up == Run("testbed", "slurm", "2", "1")


def test_a_thousand_failed_tasks_are_a_few_commands() -> None:
    tasks = [record(str(1000 + task)) for task in range(1000)]
    addresses = {str(1000 + task): f"2000_{task}" for task in range(1000)}
    steps = plan(Action(ActionKind.RECOVER, memory_bytes=GIB), tasks, addresses)
    assert len(steps) == 60
    assert [" ".join(step.argv) for step in steps[-3:]] == [
        "scontrol requeuehold 2000_[950-999]",
        "scontrol update JobId=2000_[950-999] StartTime=now+2 MinMemoryNode=1024",
        "scontrol release 2000_[950-999]",
    ]
    assert steps[0].purpose == "requeue 50 jobs (2000_[0-49]) and hold them"
    assert steps[-1].follow_up == Run("testbed", "slurm", "1950", "1")


def test_a_long_list_of_jobs_is_cut_in_a_sentence() -> None:
    odd = [record(str(job)) for job in range(1, 100, 2)]
    steps = plan(Action(ActionKind.CLONE), odd, {str(job): str(job) for job in range(100)})
    assert len(steps[0].purpose) < 100 and "50 jobs (1,3,5,7," in steps[0].purpose
    assert steps[0].argv[2].count(",") == 49


def test_jobs_that_ran_equally_often_share_commands() -> None:
    records = [record("1"), record("2", run="1"), record("3")]
    assert jobs(ActionKind.RECOVER, *records) == [
        "scontrol requeuehold 1,3",
        "scontrol requeuehold 2",
    ]


def test_an_array_that_waits_is_stopped_task_by_task() -> None:
    for kind, verb in ((ActionKind.KILL, "scancel"), (ActionKind.HOLD, "scontrol hold")):
        (step,) = plan(Action(kind), [PENDING], {"5": "5_[1-4,8%2]"})
        assert " ".join(step.argv) == f"{verb} 5_[1-4,8]"
    with pytest.raises(Refused, match="is a whole array, not the task"):
        plan(Action(ActionKind.KILL), [RUNNING], {"4": "4_[1-4]"})


def test_only_the_last_run_of_a_job_counts() -> None:
    later = record(run="1", state="COMPLETED", code=0)
    with pytest.raises(Refused, match="none of the 2 runs is in a state for recover"):
        plan(Action(ActionKind.RECOVER), [later, record(run="0")], PLAIN)


def test_a_run_named_by_a_sluid_has_no_follow_up_that_is_known() -> None:
    *_, release = plan(Action(ActionKind.RECOVER), [record(run="s5K1KKYAYG5D00")], PLAIN)
    assert release.follow_up is None


@pytest.mark.parametrize("kind", sorted(NO_STEPS))
def test_what_people_do_has_no_steps(kind: ActionKind) -> None:
    assert plan(Action(kind), ALL, {}) == []


def test_a_task_is_named_as_a_task() -> None:
    steps = plan(Action(ActionKind.RECOVER), [record("40")], {"40": "40_3"})
    assert [step.argv[2] for step in steps] == ["40_3", "JobId=40_3", "40_3"]
    assert steps[-1].follow_up == Run("testbed", "slurm", "40", "1")


def test_a_number_that_could_be_a_whole_array_is_refused() -> None:
    with pytest.raises(Refused, match="it could be a whole array"):
        plan(Action(ActionKind.KILL), [RUNNING], {})


@pytest.mark.parametrize("address", ["40_[1;9]", "40; id", "-1", "", "4\n", "40+1", "٤"])
def test_only_a_job_or_a_task_gets_into_a_command(address: str) -> None:
    with pytest.raises(Refused, match="is no job or task"):
        plan(Action(ActionKind.KILL), [RUNNING], {"4": address})


def test_a_site_to_avoid_is_left_for_those_that_stand_in() -> None:
    action = Action(ActionKind.RECOVER, sites_avoid=("siteA",))
    sites = ("siteA", "siteB", "siteC")
    assert "Partition=siteB,siteC" in commands(action, FAILURE, sites=sites)[1]
    with pytest.raises(Refused, match="no partition is known to stand in for siteA"):
        commands(action, FAILURE)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action(ActionKind.RECOVER, splitting=2), "set splitting_command to a command"),
        (Action(ActionKind.RECOVER, data_access="xrootd"), "no environment is configured"),
        (Action(ActionKind.RECOVER, memory_bytes=-1), "no amount"),
        (Action(ActionKind.RECOVER, memory_bytes=0), "no amount"),
        (Action(ActionKind.RECOVER, walltime_seconds=float("nan")), "no amount"),
        (Action(ActionKind.RECOVER, walltime_seconds=float("inf")), "no amount"),
        (Action(ActionKind.RECOVER, sites_use=("main Priority=1",)), "no name of a partition"),
        (Action(ActionKind.RECOVER, sites_use=("a,b",)), "no name of a partition"),
        (Action(ActionKind.RECOVER, sites_use=("-x",)), "no name of a partition"),
        (Action(ActionKind.RECOVER, nodes_avoid=("n[1-9]",)), "no name of a partition or a node"),
        (Action(ActionKind.RECOVER, nodes_avoid=("n\x1b",)), "no name of a partition or a node"),
    ],
)
def test_what_slurm_cannot_do_is_refused_with_a_reason(action: Action, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        plan(action, [FAILURE], PLAIN)


def test_a_clone_waits_for_the_end_of_all() -> None:
    with pytest.raises(Refused, match="2 runs have not ended: kill them or wait"):
        plan(Action(ActionKind.CLONE), ALL, PLAIN)


def test_a_split_is_the_command_of_the_site_once_a_job() -> None:
    action = Action(ActionKind.RECOVER, splitting=4)
    assert anew(action, FAILURE, record("42"), SUCCESS) == [
        "/opt/site/resubmit --job=2 --parts 4 ada",
        "/opt/site/resubmit --job=42 --parts 4 ada",
    ]


def test_what_else_changes_reaches_sbatch_by_its_variables() -> None:
    action = Action(
        ActionKind.RECOVER,
        data_access="xrootd",
        memory_bytes=GIB,
        walltime_seconds=90,
        sites_use=("siteB",),
    )
    (step,) = plan(action, [FAILURE], PLAIN, splitting_command=COMMAND, data_access=ACCESS)
    assert step.argv == (
        "env",
        "XRD_REDIRECTOR=root://x.example//",
        "SBATCH_MEM_PER_NODE=1024M",
        "SBATCH_TIMELIMIT=2",
        "SBATCH_PARTITION=siteB",
        "/opt/site/resubmit",
        "--job=2",
        "--parts",
        "1",
        "ada",
    )
    assert step.purpose == "submit the work of job 2 again with xrootd" and step.follow_up is None


def test_without_a_command_the_owner_is_told_what_to_submit() -> None:
    action = Action(ActionKind.RECOVER, data_access="xrootd")
    with pytest.raises(Refused, match=r"--export=ALL,XRD_REDIRECTOR=root://x.example//$"):
        plan(action, [FAILURE], PLAIN, data_access=ACCESS)


@pytest.mark.parametrize(
    ("action", "job", "reason"),
    [
        (Action(ActionKind.RECOVER, splitting=-3), FAILURE, "-3 is no number of parts"),
        (Action(ActionKind.RECOVER, splitting=1001), FAILURE, "1001 is no number of parts"),
        (Action(ActionKind.RECOVER, data_access="bad"), FAILURE, "is no variable"),
        (Action(ActionKind.RECOVER, data_access="x\x1b"), FAILURE, "'x�': name its variables"),
        (Action(ActionKind.RESUBMIT, splitting=2), RUNNING, "job 4 still runs"),
        (Action(ActionKind.RECOVER, splitting=2, nodes_avoid=("n1",)), FAILURE, "no variable with"),
    ],
)
def test_what_cannot_be_submitted_anew_is_refused(
    action: Action, job: RunRecord, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        anew(action, job)


@pytest.mark.parametrize("user", ["", "-x", "a b", "{address}", "#0", "a;id", "x\n"])
def test_only_a_user_name_gets_into_the_command(user: str) -> None:
    stranger = replace(FAILURE, facts=JobFacts(user=user))
    with pytest.raises(Refused, match="no name of a user"):
        anew(Action(ActionKind.RECOVER, splitting=2), stranger)
