"""Decisions as a history: the workflow as it stood, and what a person said."""

from __future__ import annotations

from jobmend.brain import advising, decisions, recommendations, runs
from jobmend.brain.brain import Brain
from jobmend.classifier.advice import Models
from jobmend.classifier.failures.task import Cell, Decision, FailedTask
from jobmend.jobs.actions import Action, ActionKind, Outcome, State
from jobmend.jobs.exits import Exit
from jobmend.jobs.identity import SiteStatus, Workflow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, OOM, Clock, ended, told


def learned(brain: Brain) -> list[FailedTask]:
    with brain.store.read() as db:
        return list(decisions.history(db, 3600).tasks)


def fail_and_judge(brain: Brain, tell: Tell, workflow: str, job: int, exit: Exit) -> int:
    tell(*ended(job, exit, workflow=workflow), *ended(job + 1, OK, workflow=workflow))
    where = Workflow("c1", workflow)
    found = advising.judge(
        brain.store, where, Models(None, None), brain.config.advice, brain.clock()
    )
    assert found is not None
    return found.id


def move(brain: Brain, id: int, *states: State, outcome: Outcome | None = None) -> None:
    with brain.store.write() as db:
        for state in states:
            last = outcome if state is State.VERIFIED else None
            recommendations.move(
                db,
                recommendations.get(db, id),
                state,
                now=brain.clock(),
                who="op",
                outcome=last,
            )


def test_an_approved_advice_is_a_decision_about_the_workflow_as_it_stood(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    id = fail_and_judge(brain, tell, "w1", 1, OOM)
    move(brain, id, State.APPROVED, State.APPLIED)
    clock.time += 1000
    tell(*ended(1, BUG, number=1, time=clock.time, workflow="w1"))  # what came of it
    (task,) = learned(brain)
    assert task.name == "c1/w1"
    assert task.time == NOW
    assert task.cells == {Cell("out_of_memory", "c1/s1", SiteStatus.GOOD): 1}
    assert task.features["runs"] == 2
    assert task.features["failed_share"] == 0.5
    assert task.decision is not None and task.decision.action == "recover"
    assert int(task.decision.memory) > 1000


def test_what_was_rejected_or_did_not_help_is_left_out(brain: Brain, tell: Tell) -> None:
    rejected = fail_and_judge(brain, tell, "w1", 1, OOM)
    failed = fail_and_judge(brain, tell, "w2", 11, OOM)
    helped = fail_and_judge(brain, tell, "w3", 21, OOM)
    move(brain, rejected, State.REJECTED)
    all_states = (State.APPROVED, State.APPLIED, State.VERIFIED)
    move(brain, failed, *all_states, outcome=Outcome.FAILURE)
    move(brain, helped, *all_states, outcome=Outcome.SUCCESS)
    assert [task.name for task in learned(brain)] == ["c1/w3"]


def test_a_run_is_taken_as_it_was_known_then(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, OOM, time=NOW), told("start", 2, time=NOW - 10), told("queued", 3, time=NOW))
    with brain.store.read() as db:
        by_job = {one.run.job_id: one for one in runs.of_workflow(db, Workflow("c1", "w1"))}
    before = decisions.as_of(by_job["1"], NOW - 1)
    assert before is not None and before.exit is None and before.ended is None
    assert decisions.as_of(by_job["1"], NOW) == by_job["1"]
    assert decisions.as_of(by_job["1"], NOW - 60) is None
    assert decisions.as_of(by_job["3"], NOW + 60) is None


def test_an_action_in_the_words_of_a_history() -> None:
    action = Action(
        ActionKind.RECOVER,
        memory_bytes=4_000_000_000,
        splitting=2,
        data_access="xrootd",
        sites_use=("s2",),
    )
    assert decisions.decision_of(action) == Decision("recover", "2x", "4000", "enabled", ("s2",))
    assert decisions.decision_of(Action(ActionKind.HOLD)) == Decision("hold")
