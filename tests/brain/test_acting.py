"""Approve, plan, execute: every step audited, none done twice, whatever interrupts it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobmend.brain import audit, ingest, recommendations, runs, steps, workflows
from jobmend.brain.acting import Acting, CannotAct
from jobmend.brain.brain import Brain
from jobmend.brain.recommendations import IllegalMove, UnknownRecommendation
from jobmend.brain.steps import StepState
from jobmend.brain.store import Store
from jobmend.jobs.actions import Action, ActionKind, Advice, State
from jobmend.jobs.identity import Run, Workflow
from jobmend.plugins.scheduler import SchedulerError
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, Clock, MemoryScheduler, ended, run_of, told

W1 = Workflow("c1", "w1")


def propose(store: Store, kind: ActionKind, *runs: Run) -> None:
    advice = Advice("transient", Action(kind), runs, {kind: 1.0}, ())
    with store.write() as db:
        recommendations.propose(db, W1, advice, "", NOW)


@pytest.fixture
def three(brain: Brain, tell: Tell) -> Brain:
    """A proposal to recover three failed runs."""
    for job in (1, 2, 3):
        tell(*ended(job, BUG))
    propose(brain.store, ActionKind.RECOVER, *(run_of(job) for job in (1, 2, 3)))
    return brain


def whats(brain: Brain) -> list[str]:
    with brain.store.read() as db:
        return [entry.what for entry in audit.of_recommendation(db, 1)]


def state(brain: Brain) -> State:
    with brain.store.read() as db:
        return recommendations.get(db, 1).state


def step_states(brain: Brain) -> list[StepState]:
    with brain.store.read() as db:
        return [step.state for step in steps.of_recommendation(db, 1)]


def test_a_dry_run_shows_the_steps_and_does_nothing(
    three: Brain, scheduler: MemoryScheduler
) -> None:
    shown = three.acting.apply(1, "me", dry_run=True)
    assert [step.step.purpose for step in shown.steps] == ["recover 1", "recover 2", "recover 3"]
    assert (scheduler.executed, state(three), whats(three)) == ([], State.PROPOSED, ["proposed"])


def test_all_steps_are_done_in_order_and_audited(three: Brain, scheduler: MemoryScheduler) -> None:
    applied = three.acting.apply(1, "operator ann")
    assert applied.recommendation.state is State.APPLIED
    assert applied.recommendation.follow_ups == tuple(run_of(job, 1) for job in (1, 2, 3))
    assert scheduler.executed == [("recover", run_of(job).key) for job in (1, 2, 3)]
    assert whats(three) == ["proposed", "approved", *["step started", "step done"] * 3, "applied"]
    with three.store.read() as db:
        assert {entry.who for entry in audit.of_recommendation(db, 1)[1:]} == {"operator ann"}


def test_new_jobs_are_known_to_do_the_work_of_the_old_one(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, BUG))
    parts = (run_of(8), run_of(9))
    with brain.store.write() as db:
        ingest.take_over(db, run_of(1), parts, NOW)
        ingest.take_over(db, run_of(1), parts, NOW + 1)  # told again
    tell(*ended(8, OK), told("start", 9))
    with brain.store.read() as db:
        last = workflows.last_runs(runs.of_workflow(db, W1))
        assert {record.run for record in last} == set(parts)
        assert {record.facts.parent for record in last} == {run_of(1).key}


@pytest.mark.parametrize(
    "error", [SchedulerError("no partition"), RuntimeError("surprise")], ids=lambda e: str(e)
)
def test_a_step_that_fails_ends_the_action_and_says_so(
    three: Brain, scheduler: MemoryScheduler, error: Exception
) -> None:
    scheduler.broken["2"] = error
    applied = three.acting.apply(1, "me")
    assert applied.recommendation.state is State.FAILED
    assert applied.recommendation.follow_ups == (run_of(1, 1),)
    assert step_states(three) == [StepState.DONE, StepState.FAILED, StepState.PLANNED]
    with three.store.read() as db:
        last = audit.of_recommendation(db, 1)[-1]
    assert (last.what, last.detail) == ("failed", f"step 2 (recover 2) failed: {error}")
    with pytest.raises(IllegalMove):
        three.acting.apply(1, "me")
    assert len(scheduler.executed) == 1


def restarted(brain: Brain, scheduler: MemoryScheduler) -> Acting:
    """What the next process does with the same store."""
    store = Store(brain.store.path)
    acting = Acting(store, {("c1", "memory"): scheduler}, Clock())
    acting.resume()
    store.close()
    return acting


def test_a_step_that_was_interrupted_is_reported_and_never_repeated(
    three: Brain, scheduler: MemoryScheduler
) -> None:
    scheduler.broken["2"] = SystemExit("the process ends here")
    with pytest.raises(SystemExit):
        three.acting.apply(1, "me")
    assert step_states(three) == [StepState.DONE, StepState.STARTED, StepState.PLANNED]
    scheduler.broken.clear()
    restarted(three, scheduler)
    assert scheduler.executed == [("recover", run_of(1).key)]
    assert state(three) is State.FAILED
    with three.store.read() as db:
        assert "look whether it took effect" in audit.of_recommendation(db, 1)[-1].detail
    restarted(three, scheduler)
    assert len(scheduler.executed) == 1


def test_an_interruption_between_steps_is_resumed_where_it_was(
    three: Brain, scheduler: MemoryScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = steps.mark

    def die_before_step_2(db: object, id: int, number: int, to: StepState) -> None:
        if number == 2:
            raise SystemExit("the process ends here")
        mark(db, id, number, to)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "mark", die_before_step_2)
    with pytest.raises(SystemExit):
        three.acting.apply(1, "me")
    monkeypatch.undo()
    assert step_states(three) == [StepState.DONE, StepState.PLANNED, StepState.PLANNED]
    restarted(three, scheduler)
    assert [argv[1] for argv in scheduler.executed] == [run_of(job).key for job in (1, 2, 3)]
    assert state(three) is State.APPLIED


def test_two_operators_at_once_act_once(three: Brain, scheduler: MemoryScheduler) -> None:
    refused = []

    def apply() -> None:
        try:
            three.acting.apply(1, "me")
        except IllegalMove as error:
            refused.append(error)

    threads = [threading.Thread(target=apply) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), len(scheduler.executed)) == (7, 3)


def test_what_a_run_was_repeated_meanwhile_is_not_repeated_again(
    three: Brain, tell: Tell, scheduler: MemoryScheduler
) -> None:
    tell(told("start", 7, parent=run_of(2).key))
    with pytest.raises(CannotAct, match="run c1/memory/2/0 was repeated meanwhile"):
        three.acting.apply(1, "me")
    assert (state(three), scheduler.executed) == (State.PROPOSED, [])


def test_moves_that_are_illegal_change_nothing(three: Brain) -> None:
    three.acting.reject(1, "me", "not now")
    with pytest.raises(IllegalMove, match="recommendation 1 is rejected"):
        three.acting.apply(1, "me")
    with pytest.raises(IllegalMove):
        three.acting.reject(1, "me", "again")
    with pytest.raises(UnknownRecommendation):
        three.acting.apply(2, "me")
    assert whats(three) == ["proposed", "rejected"]


def test_a_decision_asks_nothing_of_the_scheduler(
    brain: Brain, tell: Tell, scheduler: MemoryScheduler
) -> None:
    tell(*ended(1, BUG))
    propose(brain.store, ActionKind.WAIT, run_of(1))
    assert brain.acting.apply(1, "me").steps == ()
    assert (state(brain), scheduler.executed) == (State.APPLIED, [])


@pytest.mark.parametrize("kind", [ActionKind.HOLD, ActionKind.KILL])
def test_what_has_ended_needs_no_step_to_be_stopped(
    brain: Brain, tell: Tell, scheduler: MemoryScheduler, kind: ActionKind
) -> None:
    tell(*ended(1, BUG))
    propose(brain.store, kind, run_of(1))
    assert brain.acting.apply(1, "me").steps == ()
    assert (state(brain), scheduler.executed) == (State.APPLIED, [])


def test_an_action_without_its_scheduler_or_its_runs_is_refused(brain: Brain, tell: Tell) -> None:
    propose(brain.store, ActionKind.RECOVER, run_of(99))
    with pytest.raises(CannotAct, match="run c1/memory/99/0 is not known"):
        brain.acting.apply(1, "me")
    tell(*ended(99, OK))
    with pytest.raises(CannotAct, match=r"no memory scheduler of cluster c1 is configured"):
        Acting(brain.store, {}, Clock()).apply(1, "me")


def test_a_workflow_has_one_open_recommendation_at_most(three: Brain, tmp_path: Path) -> None:
    import sqlite3

    with pytest.raises(sqlite3.IntegrityError):
        propose(three.store, ActionKind.KILL, run_of(1))
