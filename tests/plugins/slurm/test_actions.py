"""Plans: what each action is on Slurm, and what gets into a command."""

from __future__ import annotations

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
    return RunRecord(identity, JobFacts(attempt=attempt), started=started, exit=end)


SUCCESS = record("1", state="COMPLETED", code=0)
FAILURE = record("2")
CANCELLED = record("3", state="CANCELLED", code=0)
RUNNING = record("4", state="RUNNING")
PENDING = record("5", state="PENDING")
ALL = [SUCCESS, FAILURE, CANCELLED, RUNNING, PENDING]
PLAIN = {str(number): str(number) for number in (1, 2, 3, 4, 5, 42)}


def commands(action: Action, *records: RunRecord, sites: tuple[str, ...] = ()) -> list[str]:
    return [" ".join(step.argv) for step in plan(action, records, PLAIN, sites)]


def jobs(kind: ActionKind, *records: RunRecord) -> list[str]:
    return [line.split()[-1] for line in commands(Action(kind), *records) if "update" not in line]


def test_a_recovery_requeues_changes_and_releases() -> None:
    action = Action(
        ActionKind.RECOVER,
        memory_bytes=3 * GIB // 2 + 1,
        walltime_seconds=3601,
        sites_use=("siteB", "siteC"),
        sites_avoid=("siteA",),
        nodes_avoid=("node7", "node-8.cluster"),
    )
    assert plan(action, [record(run="2")], PLAIN) == [
        Step(("scontrol", "requeuehold", "42"), "requeue job 42 and hold it"),
        Step(
            (
                "scontrol",
                "update",
                "JobId=42",
                "StartTime=now",
                "MinMemoryNode=1537",
                "TimeLimit=61",
                "Partition=siteB,siteC",
                "ExcNodeList=node7,node-8.cluster",
            ),
            "change job 42: StartTime=now MinMemoryNode=1537 TimeLimit=61 Partition=siteB,siteC"
            " ExcNodeList=node7,node-8.cluster",
        ),
        Step(
            ("scontrol", "release", "42"),
            "let job 42 run",
            Run("testbed", "slurm", "42", "3"),
        ),
    ]


def test_each_kind_takes_the_runs_it_is_for() -> None:
    assert jobs(ActionKind.RECOVER, *ALL) == ["2", "2"]
    assert jobs(ActionKind.RESUBMIT, *ALL) == ["2", "2", "3", "3", "4", "4"]
    assert jobs(ActionKind.CLONE, SUCCESS, FAILURE) == ["1", "1", "2", "2"]
    assert commands(Action(ActionKind.KILL), *ALL) == ["scancel 4", "scancel 5"]
    assert commands(Action(ActionKind.HOLD), *ALL) == ["scontrol requeuehold 4", "scontrol hold 5"]
    assert commands(Action(ActionKind.RELEASE), PENDING) == ["scontrol release 5"]


def test_a_release_of_a_requeued_job_brings_its_next_run() -> None:
    action = Action(ActionKind.RELEASE)
    (ended,), (waiting,) = plan(action, [FAILURE], PLAIN), plan(action, [PENDING], PLAIN)
    assert ended.follow_up == Run("testbed", "slurm", "2", "1") and waiting.follow_up is None


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


@pytest.mark.parametrize("address", ["40_[1-9]", "40; id", "-1", "", "4\n", "40+1", "٤"])
def test_only_a_job_or_a_task_gets_into_a_command(address: str) -> None:
    with pytest.raises(Refused, match="no single job or task"):
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
        (Action(ActionKind.RECOVER, splitting=2), "cannot split"),
        (Action(ActionKind.RECOVER, data_access="xrootd"), "nothing of data access"),
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
