"""The last run of each piece of work, and when a workflow is due for a judgement."""

from __future__ import annotations

from jobmend.brain import runs, workflows
from jobmend.brain.brain import Brain
from jobmend.jobs.events import JobEvent
from jobmend.jobs.identity import Workflow
from jobmend.jobs.records import RunRecord
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, Clock, ended, run_of, told

W1 = Workflow("c1", "w1")


def records_of(*events: JobEvent) -> list[RunRecord]:
    found = [runs.view([event]) for event in events]
    return [record for record in found if record is not None]


def last(*events: JobEvent) -> set[tuple[str, str]]:
    return {
        (record.run.job_id, record.run.run) for record in workflows.last_runs(records_of(*events))
    }


def test_a_restart_and_a_child_take_the_place_of_a_run() -> None:
    requeued = [told("start", 1, number=n, time=NOW + n) for n in (0, 1, 2)]
    assert last(*requeued) == {("1", "2")}
    parent = told("outcome", 2, exit=BUG)
    child = told("start", 3, parent=run_of(2).key)
    assert last(parent, child, told("start", 4)) == {("3", "0"), ("4", "0")}


def test_a_split_run_has_several_last_ones() -> None:
    halves = [told("start", job, parent=run_of(1).key) for job in (2, 3)]
    assert last(told("outcome", 1, exit=BUG), *halves) == {("2", "0"), ("3", "0")}


def test_restarts_that_started_together_are_ordered_by_number() -> None:
    assert last(*(told("start", 1, number=n) for n in (9, 10))) == {("1", "10")}


def test_a_piece_is_followed_to_its_end_even_in_a_circle() -> None:
    found = records_of(
        told("outcome", 1, exit=BUG),
        told("outcome", 2, exit=BUG, parent=run_of(1).key),
        told("start", 2, number=1, time=NOW + 1),
    )
    known = {record.run: record for record in found}
    following = workflows.successors(found)
    ends = workflows.ends_of(run_of(1), known, following)
    assert [record.run for record in ends] == [run_of(2, 1)]
    circle = records_of(
        told("start", 1, parent=run_of(2).key), told("start", 2, parent=run_of(1).key)
    )
    assert workflows.ends_of(run_of(1), known, workflows.successors(circle)) == []


def test_due_when_settled_and_not_again_before_something_changes(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    def due() -> list[Workflow]:
        with brain.store.read() as db:
            return workflows.due(db, clock.time, 30, 3600)

    tell(*ended(1, BUG))
    assert due() == [], "the facts may still come in"
    clock.time += 30
    assert due() == [W1]
    with brain.store.write() as db:
        workflows.mark_judged(db, W1, workflows.changed_at(db, W1))
    assert due() == []
    tell(told("start", 2, time=clock.time))
    clock.time += 30
    assert due() == [], "a run is active"
    tell(told("stall", 2, time=clock.time, node="n1"))
    assert due() == [W1], "a warning came"


def test_a_queued_run_is_waited_for_but_not_for_ever(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, BUG), told("queued", 2))
    clock.time += 3599
    with brain.store.read() as db:
        assert workflows.due(db, clock.time, 30, 3600) == []
        assert workflows.due(db, clock.time + 1, 30, 3600) == [W1]


def test_counts(brain: Brain, tell: Tell) -> None:
    tell(*ended(1, BUG), *ended(2, OK), told("start", 3))
    with brain.store.read() as db:
        (count,) = workflows.counts(db, 10)
    assert (count.workflow, count.active, count.succeeded, count.failed, count.other) == (
        *(W1, 1, 1, 1, 0),
    )
