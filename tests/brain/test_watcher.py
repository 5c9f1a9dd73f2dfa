"""The round: history in, advice out, outcomes verified; nothing stops it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jobmend.brain import advising, recommendations, runs
from jobmend.brain.brain import Brain, assemble
from jobmend.brain.polling import FIRST_SECONDS, OVERLAP_SECONDS
from jobmend.jobs.actions import Outcome, Recommendation, State
from jobmend.plugins.scheduler import SchedulerError
from tests.brain.conftest import Tell
from tests.brain.scene import (
    NOW,
    OK,
    OOM,
    Clock,
    MemoryScheduler,
    config_of,
    ended,
    run_of,
    told,
)


def newest(brain: Brain) -> Recommendation:
    with brain.store.read() as db:
        return recommendations.newest(db, 1)[0]


def test_a_workflow_is_mended(brain: Brain, scheduler: MemoryScheduler, clock: Clock) -> None:
    scheduler.events = ended(1, OOM)
    brain.watcher.round()
    clock.time += 60
    brain.watcher.round()
    assert newest(brain).state is State.PROPOSED
    assert brain.acting.apply(1, "me").recommendation.follow_ups == (run_of(1, 1),)
    scheduler.events += [told("start", 1, number=1, time=clock.time)]
    brain.watcher.round()
    assert newest(brain).state is State.APPLIED
    scheduler.events += ended(1, OK, number=1, time=clock.time + 10)
    clock.time += 60
    brain.watcher.round()
    assert (newest(brain).state, newest(brain).outcome) == (State.VERIFIED, Outcome.SUCCESS)
    clock.time += 60
    brain.watcher.round()
    assert newest(brain).id == 1, "nothing ails it any more"


def test_a_failure_again_is_verified_and_advised_on_anew(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock
) -> None:
    scheduler.events = ended(1, OOM)
    clock.time += 60
    for _ in range(2):
        brain.watcher.round()
        clock.time += 60
    first = newest(brain)
    brain.acting.apply(1, "me")
    scheduler.events += ended(1, OOM, number=1, time=clock.time - 40)
    for _ in range(3):
        brain.watcher.round()
        clock.time += 60
    with brain.store.read() as db:
        assert recommendations.get(db, 1).outcome is Outcome.FAILURE
    second = newest(brain)
    assert second.id == 2
    tried = (first.advice.cause, first.advice.action.kind)
    assert (second.advice.cause, second.advice.action.kind) != tried


def test_proposals_expire(brain: Brain, scheduler: MemoryScheduler, clock: Clock) -> None:
    scheduler.events = ended(1, OOM)
    brain.watcher.round()
    clock.time += 60
    brain.watcher.round()
    clock.time += brain.config.advice.expire_seconds
    brain.watcher.round()
    assert newest(brain).state is State.EXPIRED
    brain.watcher.round()
    assert newest(brain).id == 1


def test_the_history_is_asked_for_from_where_it_was_left(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock, tell: Tell
) -> None:
    brain.watcher.round()
    clock.time += 100
    brain.watcher.round()
    tell(told("start", 1, time=NOW - 5000), told("end", 1, time=NOW - 4000, node="n1", exit=OK))
    brain.watcher.round()
    assert scheduler.asked == [
        NOW - FIRST_SECONDS,
        NOW - OVERLAP_SECONDS,
        NOW - 4000 - OVERLAP_SECONDS,  # accounting owes the outcome of a run that ended then
    ]
    scheduler.events = [told("outcome", 1, time=NOW - 4000, exit=OK)]
    for _ in range(2):
        brain.watcher.round()
    assert scheduler.asked[-1] == clock.time - OVERLAP_SECONDS


def test_one_broken_scheduler_stops_no_other(tmp_path: Path, clock: Clock) -> None:
    broken = MemoryScheduler(history_error=SchedulerError("sacct gave no answer"))
    worse = MemoryScheduler(history_error=ZeroDivisionError())
    sound = MemoryScheduler(events=ended(1, OOM))
    watched = {("c0", "memory"): broken, ("c2", "memory"): worse, ("c1", "memory"): sound}
    brain = assemble(config_of(tmp_path), watched, clock)
    brain.watcher.round()
    with brain.store.read() as db:
        assert runs.load(db, run_of(1)) is not None
    polls = brain.watcher.last_polls()
    assert [poll.error for poll in polls.values() if poll] == [
        "sacct gave no answer",
        "ZeroDivisionError",
        "",
    ]
    errors = 'jobmend_brain_poll_errors_total{cluster="c0",scheduler="memory"} 1.0'
    assert errors in brain.metrics.page().decode()
    broken.history_error = None
    brain.watcher.round()
    assert broken.asked == [NOW - FIRST_SECONDS] * 2, "what was not read is asked for again"
    brain.store.close()


def test_an_event_that_cannot_be_stored_costs_no_other(
    brain: Brain, scheduler: MemoryScheduler
) -> None:
    nan = dataclasses.replace(told("start", 3), time=float("nan"))
    named = told("start", 4, name="x" * 999)
    scheduler.events = [named, nan, told("start", 2)]
    brain.watcher.round()
    with brain.store.read() as db:
        assert [record.run for record in runs.newest(db, 9)] == [run_of(2)]
    assert 'jobmend_brain_messages_total{result="rejected"} 2.0' in brain.metrics.page().decode()


def test_a_workflow_that_cannot_be_judged_is_counted_and_left_until_it_changes(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def stumble(store: object, workflow: object, *rest: object) -> None:
        judged.append(workflow)
        raise ArithmeticError

    monkeypatch.setattr(advising, "judge", stumble)
    scheduler.events = [*ended(1, OOM), *ended(2, OOM, workflow="w2")]
    brain.watcher.round()
    clock.time += 60
    brain.watcher.round()
    brain.watcher.round()
    assert len(judged) == 2
    assert 'jobmend_brain_round_errors_total{stage="judge"} 2.0' in brain.metrics.page().decode()
