"""Simulated days: the same again for the same scenario, and what is told falsely is known."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from jobmend.brain import decisions, quarantine
from jobmend.brain.config import LearningConfig
from jobmend.brain.evidence import Evidence
from jobmend.brain.learning.simulated import feeding
from jobmend.brain.learning.simulated.cluster import MIXES, traced_day
from jobmend.brain.learning.simulated.failing import failing_day
from jobmend.brain.learning.simulated.operator import AILING, Truth, answer
from jobmend.brain.learning.simulated.scenario import EPOCH, Scenario, Stage
from jobmend.brain.learning.traces.subject import Traces
from jobmend.brain.quarantined import Item, Vetting, Wanted, period_key
from jobmend.brain.sources.archive import Archive
from jobmend.brain.store import Store
from jobmend.classifier.failures.synthetic.record_mixes import LICENCE
from jobmend.jobs.events import JobEvent

SMALL = Scenario(days=8, change=4, new_type=6, poison=5, runs=40, tasks=30)


def test_the_same_scenario_gives_the_same_days() -> None:
    other = dataclasses.replace(SMALL, seed=1)
    assert numbers(SMALL, 2) == numbers(SMALL, 2)
    assert numbers(SMALL, 2) != numbers(SMALL, 3) and numbers(SMALL, 2) != numbers(other, 2)
    assert failing_day(SMALL, 2) == failing_day(SMALL, 2) != failing_day(other, 2)


def numbers(scenario: Scenario, day: int) -> list[tuple[str, bytes]]:
    return [(one.key, one.to_bytes()) for one in traced_day(scenario, day).windows]


@pytest.mark.parametrize(
    "wrong", [{"days": 0}, {"runs": 0}, {"change": 6}, {"change": 1}, {"daily": 0.2}]
)
def test_what_makes_no_history_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="simulation:"):
        dataclasses.replace(SMALL, **wrong)


def test_all_of_a_day_is_told_on_that_day_and_no_name_comes_twice() -> None:
    runs, tasks = Counter[str](), Counter[str]()
    for day in SMALL.numbers:
        traced, failed = traced_day(SMALL, day), failing_day(SMALL, day)
        begin, end = SMALL.begins(day), SMALL.begins(day + 1)
        assert all(begin <= one.start < end for one in traced.windows)
        assert all(begin <= one.time < end for one in failed)
        runs.update({event.run.key for event in traced.events})
        tasks.update(task.workflow.key for task in failed)
    assert {*runs.values(), *tasks.values()} == {1}
    assert SMALL.day_of(EPOCH) == 1 and SMALL.day_of(SMALL.begins(3)) == 3


def kinds(day: int) -> set[str]:
    return {event.facts.workflow for event in traced_day(SMALL, day).events}


def causes(day: int) -> set[str]:
    return {task.cause for task in failing_day(dataclasses.replace(SMALL, tasks=200), day)}


def test_the_new_type_comes_on_its_day_and_not_before() -> None:
    assert "serve" in kinds(6) and not any("serve" in kinds(day) for day in range(1, 6))
    assert LICENCE in causes(6) and not any(LICENCE in causes(day) for day in range(1, 6))
    assert all(abs(sum(mix.values()) - 1) < 1e-9 for mix in MIXES.values())
    assert [SMALL.stage(day) for day in (3, 4, 6)] == list(Stage)


def told_healthy(day: int) -> set[str]:
    failed = {
        one.run.key for one in traced_day(SMALL, day).events if one.exit and one.exit.kind.failed
    }
    return {one.key for one in traced_day(SMALL, day).windows if failed.isdisjoint(one.owners)}


def test_a_poisoned_day_is_told_as_healthy_and_its_decisions_are_false() -> None:
    usual, poisoned = traced_day(SMALL, 4), traced_day(SMALL, 5)
    assert len(usual.ailing & told_healthy(4)) < 0.2 * len(usual.ailing)
    assert poisoned.ailing <= told_healthy(5)
    assert len(poisoned.ailing) > 0.6 * len(poisoned.windows)
    assert all(task.told is task.action for task in failing_day(SMALL, 4))
    false = [task for task in failing_day(SMALL, 5) if task.told is not task.action]
    assert len(false) > 0.6 * SMALL.tasks


def test_a_share_of_every_day_is_false_where_that_is_wanted() -> None:
    false = dataclasses.replace(SMALL, runs=400, tasks=400, daily=0.05)
    for day in (2, 4):
        traced, true = traced_day(false, day), traced_day(dataclasses.replace(false, daily=0), day)
        assert numbers(false, day) == numbers(dataclasses.replace(false, daily=0), day)
        assert traced.ailing == true.ailing
        wrong = len(failed_runs(true.events)) - len(failed_runs(traced.events))
        assert 0.03 < wrong / false.runs < 0.08
        exchanged = [task for task in failing_day(false, day) if task.told is not task.action]
        assert 0.03 < len(exchanged) / false.tasks < 0.08


def failed_runs(events: Iterable[JobEvent]) -> set[str]:
    return {one.run.key for one in events if one.exit and one.exit.kind.failed}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "brain.db")


def test_a_day_is_learned_about_by_the_usual_roads(store: Store, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    traced = traced_day(SMALL, 1)
    feeding.feed_traces(store, archive, traced, SMALL.begins(2))
    feeding.feed_failures(store, failing_day(SMALL, 1))
    examples = Traces(store, archive, LearningConfig()).gather(SMALL.begins(1), SMALL.begins(2))
    assert {one.key for one in examples} == {window.key for window in traced.windows}
    assert {one.kind for one in examples} <= set(MIXES[Stage.EARLY])
    assert {one.key for one in examples if one.truth == "healthy"} == told_healthy(1)
    with store.read() as db:
        history = decisions.history(db, 3600.0)
    told = {f"{task.workflow.key}": task.told.value for task in failing_day(SMALL, 1)}
    assert {task.name: task.decision.action for task in history.tasks if task.decision} == told


def item(key: str, day: int, turn: str = "t") -> Item:
    return Item(
        "traces", key, turn, SMALL.begins(day) + 1, SMALL.begins(day + 1), "fit", 0.001, "?"
    )


def test_the_operator_tells_the_truth(store: Store) -> None:
    items = [
        item("odd", 2),
        item("new", 2),
        item("false", 2),
        item(period_key("a"), 5, "a"),
        item(period_key("b"), 4, "b"),
    ]
    with store.write() as db:
        for one in items:
            quarantine.add(db, one, Evidence({}))
    truth = Truth({"odd"}, {"false"})
    answered = answer(store, "traces", SMALL, truth, SMALL.begins(6))
    assert (answered.normal, answered.anomaly, answered.ignored) == (2, 1, 2)
    with store.read() as db:
        found = {one.key: one for one in quarantine.find(db, Wanted("traces"), 10)}
        assert not quarantine.waiting(db, "traces")
    assert found["odd"].state is Vetting.ANOMALY and found["odd"].label == AILING
    assert found["new"].state is found[period_key("b")].state is Vetting.NORMAL
    assert found["false"].state is found[period_key("a")].state is Vetting.IGNORED
