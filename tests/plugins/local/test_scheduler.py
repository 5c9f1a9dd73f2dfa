from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import EventKind, JobFacts
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.local.job import JobState
from jobmend.plugins.local.scheduler import LocalScheduler
from jobmend.plugins.local.ulid import is_ulid, new_ulid
from jobmend.plugins.scheduler import Refused, Scheduler, SchedulerError, Step

DIRECTORY = Path("/state")


def record(kind: ExitKind | None, site: str = "a", run: str = "") -> RunRecord:
    known = Run("c", "local", "1", run or new_ulid())
    told = None if kind is None else Exit("local", kind)
    return RunRecord(known, JobFacts(site=site), exit=told)


FAILED, DONE, GOING = record(ExitKind.ERROR), record(ExitKind.SUCCESS), record(None)


def plan(kind: ActionKind, *runs: RunRecord, **parameters: Any) -> list[Step]:
    scheduler: Scheduler = LocalScheduler("c", DIRECTORY)
    return scheduler.plan(Action(kind, **parameters), runs)


def test_recovery_runs_only_what_failed() -> None:
    [step] = plan(
        ActionKind.RECOVER, DONE, FAILED, GOING, memory_bytes=1 << 30, walltime_seconds=60
    )
    token = step.argv[7].split("=")[1]
    assert is_ulid(token)
    assert step.argv == (
        *(sys.executable, "-m", "jobmend.plugins.local", "--state-dir=/state", "--cluster=c"),
        *("resubmit", FAILED.run.run, f"--token={token}", f"--memory={1 << 30}", "--time=60"),
    )


def test_a_clone_runs_everything() -> None:
    assert len(plan(ActionKind.CLONE, DONE, FAILED)) == 2


@pytest.mark.parametrize(
    ("kind", "word"),
    [(ActionKind.KILL, "kill"), (ActionKind.HOLD, "hold"), (ActionKind.RELEASE, "release")],
)
def test_orders_go_to_what_has_not_ended(kind: ActionKind, word: str) -> None:
    [step] = plan(kind, DONE, GOING)
    assert step.argv[-2:] == (word, GOING.run.run)
    assert step.purpose == f"{word} {GOING.run.key}"


@pytest.mark.parametrize(
    "kind", [ActionKind.BYPASS, ActionKind.FORCE_COMPLETE, ActionKind.WAIT, ActionKind.ASK]
)
def test_nothing_to_do_in_the_queue(kind: ActionKind) -> None:
    assert plan(kind, FAILED, GOING) == []


def test_bad_sites_are_left_in_turn() -> None:
    runs = [record(ExitKind.ERROR, site) for site in ("bad", "bad", "good", "bad")]
    steps = plan(ActionKind.RECOVER, *runs, sites_use=("x", "bad", "y"), sites_avoid=("bad",))
    assert [step.argv[-1] for step in steps][:2] == ["--site=x", "--site=y"]
    assert steps[2].argv[-1].startswith("--token=")
    assert steps[3].argv[-1] == "--site=y"
    assert steps[0].purpose == f"run {runs[0].run.key} again at x"


def test_sites_to_use_alone_draw_runs_there() -> None:
    runs = [record(ExitKind.ERROR, site) for site in ("a", "b")]
    steps = plan(ActionKind.RESUBMIT, *runs, sites_use=("b",))
    assert steps[0].argv[-1] == "--site=b"
    assert steps[1].argv[-1].startswith("--token=")


def test_nodes_to_avoid_are_passed_over_and_it_says_so() -> None:
    [step] = plan(ActionKind.RECOVER, FAILED, nodes_avoid=("n1",))
    assert step.purpose.endswith("(nodes to avoid are passed over: there is one node)")


@pytest.mark.parametrize(
    ("runs", "parameters", "why"),
    [
        ([FAILED], {"splitting": 2}, "cannot be split"),
        ([FAILED], {"data_access": "xrootd"}, "not xrootd"),
        ([FAILED], {"sites_avoid": ("a",)}, "site a is to be avoided and no other site is given"),
        ([DONE], {}, "none of the runs has failed"),
        ([record(ExitKind.ERROR, run="--help")], {}, "is no run of the local queue c"),
    ],
)
def test_refusals_say_why(runs: list[RunRecord], parameters: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        plan(ActionKind.RECOVER, *runs, **parameters)


def test_the_whole_way(tree: Any) -> None:
    """Fails for a missing input at one site; moved to the other it succeeds; the history tells."""
    good = tree.state_dir.parent / "siteA.dat"
    good.touch()
    command = f'test -e {good.parent}/"$JOBMEND_SITE".dat'
    first = tree.submit("--workflow", "w", "--site", "siteB", "--", "sh", "-c", command)
    tree.wait(first)
    scheduler = LocalScheduler("local", tree.state_dir)
    start, outcome = scheduler.history(0.0)
    assert (start.kind, outcome.kind) == (EventKind.START, EventKind.OUTCOME)
    assert (outcome.run.run, outcome.node, outcome.facts.workflow) == (first, "", "w")
    assert outcome.exit == Exit("local", ExitKind.ERROR, 1, None, "FAILED")
    failed = RunRecord(outcome.run, outcome.facts, exit=outcome.exit)
    action = Action(ActionKind.RECOVER, sites_use=("siteA",), sites_avoid=("siteB",))
    [step] = scheduler.plan(action, [failed])
    [new] = scheduler.execute(step)
    assert scheduler.execute(step) == (new,)
    job = tree.wait(new.run)
    assert (job.state, job.spec.site) == (JobState.COMPLETED, "siteA")
    assert job.parent == outcome.run.key
    since = outcome.time + 0.001
    assert {event.run for event in scheduler.history(since)} == {new}


def test_kill_by_step(tree: Any) -> None:
    run = tree.submit("--", "sleep", "60")
    tree.wait(run, JobState.RUNNING)
    scheduler = LocalScheduler("local", tree.state_dir)
    [start] = scheduler.history(0.0)
    [step] = scheduler.plan(Action(ActionKind.KILL), [RunRecord(start.run, start.facts)])
    assert scheduler.execute(step) == ()
    assert tree.job(run).state is JobState.CANCELLED


def test_a_step_that_fails_says_why(tree: Any) -> None:
    scheduler = LocalScheduler("local", tree.state_dir)
    step = scheduler.plan(
        Action(ActionKind.RECOVER),
        [RunRecord(Run("local", "local", "1", new_ulid()), JobFacts(), exit=FAILED.exit)],
    )[0]
    with pytest.raises(SchedulerError, match="no job '.*' in this queue"):
        scheduler.execute(step)
