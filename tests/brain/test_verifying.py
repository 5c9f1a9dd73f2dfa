"""The outcome of an action, out of the runs that followed."""

from __future__ import annotations

import dataclasses

import pytest

from jobmend.brain import recommendations, runs
from jobmend.brain.brain import Brain
from jobmend.brain.verifying import judge
from jobmend.jobs.actions import Action, ActionKind, Advice, Outcome, Recommendation, State
from jobmend.jobs.events import JobEvent
from jobmend.jobs.exits import htcondor_exit
from jobmend.jobs.identity import Run, Workflow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, ended, run_of, told

FAILED = ended(1, BUG, time=NOW - 900)
GOOD_AGAIN = ended(1, OK, number=1, time=NOW - 60)
BAD_AGAIN = ended(1, BUG, number=1, time=NOW - 60)


def outcome(
    kind: ActionKind, *events: JobEvent, follow_ups: tuple[Run, ...] = (), patient: bool = True
) -> Outcome | None:
    advice = Advice("transient", Action(kind), (run_of(1),), {kind: 1.0}, ())
    applied = Recommendation(1, Workflow("c1", "w1"), advice, NOW - 500, State.APPLIED)
    applied = dataclasses.replace(applied, follow_ups=follow_ups)
    by_run: dict[Run, list[JobEvent]] = {}
    for event in events:
        by_run.setdefault(event.run, []).append(event)
    records = [record for told_of in by_run.values() if (record := runs.view(told_of))]
    return judge(applied, records, settled=NOW - 30, patient=patient)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (FAILED, None),  # the follow-up is not known yet
        ([*FAILED, GOOD_AGAIN[0]], None),  # it runs
        ([*FAILED, *GOOD_AGAIN], Outcome.SUCCESS),
        ([*FAILED, *BAD_AGAIN], Outcome.FAILURE),
        ([*FAILED, *ended(1, OK, number=1, time=NOW - 5)], None),  # accounting may still object
        (
            [*FAILED, *BAD_AGAIN, *ended(1, OK, number=2, time=NOW - 40)],
            Outcome.SUCCESS,
        ),  # requeued
        ([*FAILED, *BAD_AGAIN, told("start", 1, number=2, time=NOW - 40)], None),
    ],
)
def test_follow_ups_are_judged_by_their_last_run(
    events: list[JobEvent], expected: Outcome | None
) -> None:
    assert outcome(ActionKind.RECOVER, *events, follow_ups=(run_of(1, 1),)) is expected


def test_all_follow_ups_must_succeed() -> None:
    events = [*FAILED, *GOOD_AGAIN, *ended(2, BUG), *ended(2, BUG, number=1, time=NOW - 50)]
    follow_ups = (run_of(1, 1), run_of(2, 1))
    assert outcome(ActionKind.RECOVER, *events, follow_ups=follow_ups) is Outcome.FAILURE
    assert outcome(ActionKind.RECOVER, *events[:-1], follow_ups=follow_ups) is None


@pytest.mark.parametrize("kind", [ActionKind.KILL, ActionKind.HOLD])
def test_what_was_stopped_is_verified_when_it_has_stopped(kind: ActionKind) -> None:
    assert outcome(kind, told("start", 1)) is None
    assert outcome(kind, *FAILED) is Outcome.SUCCESS


def test_a_job_that_is_held_is_killed_when_it_has_left_the_queue() -> None:
    held = ended(1, htcondor_exit(5, None, None, 1))
    removed = ended(1, htcondor_exit(3, None, None), number=1)
    assert outcome(ActionKind.KILL, *held) is None
    assert outcome(ActionKind.KILL, *held, *removed) is Outcome.SUCCESS
    assert outcome(ActionKind.HOLD, *held) is Outcome.SUCCESS


@pytest.mark.parametrize("kind", [ActionKind.WAIT, ActionKind.ASK])
def test_a_wait_ends_well_when_the_workflow_does(kind: ActionKind) -> None:
    assert outcome(kind, *FAILED) is None
    assert outcome(kind, *FAILED, patient=False) is Outcome.FAILURE
    assert outcome(kind, *FAILED, *GOOD_AGAIN) is Outcome.SUCCESS
    assert outcome(kind, *FAILED, told("start", 2), patient=False) is None


def test_a_wait_for_active_runs_is_over_when_they_have_ended_or_stall() -> None:
    began = told("start", 1, time=NOW - 900)
    assert outcome(ActionKind.WAIT, began) is None
    assert outcome(ActionKind.WAIT, began, told("stall", 1, time=NOW - 70)) is Outcome.FAILURE
    assert outcome(ActionKind.WAIT, *ended(1, BUG, time=NOW - 60)) is Outcome.FAILURE
    assert outcome(ActionKind.WAIT, *ended(1, OK, time=NOW - 60)) is Outcome.SUCCESS


def test_a_bypass_is_done_when_it_is_decided() -> None:
    assert outcome(ActionKind.BYPASS, *FAILED) is Outcome.SUCCESS


def test_follow_ups_are_found_in_whatever_workflow_they_turn_out_to_be(
    brain: Brain, tell: Tell
) -> None:
    tell(*FAILED, *ended(8, OK, workflow="parts"), *ended(9, OK, workflow=""))
    tell(*ended(7, BUG, workflow="parts"), *ended(7, OK, number=1, workflow="parts"))
    kind = ActionKind.RECOVER
    advice = Advice("memory", Action(kind, splitting=3), (run_of(1),), {kind: 1.0}, ())
    with brain.store.write() as db:
        proposed = recommendations.propose(db, Workflow("c1", "w1"), advice, "", NOW - 500)
        recommendations.move(db, proposed, State.APPROVED, now=NOW - 490, who="me")
        recommendations.add_follow_ups(db, proposed.id, (run_of(7), run_of(8), run_of(9)))
        recommendations.move(db, proposed, State.APPLIED, now=NOW - 480, who="me")
    brain.watcher.round()
    with brain.store.read() as db:
        assert recommendations.get(db, 1).outcome is Outcome.SUCCESS
