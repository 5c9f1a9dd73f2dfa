"""What comes late is new to the turn that first sees it: vetted, compared on, and not before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.brain import advising, quarantine, recommendations
from jobmend.brain.brain import Brain
from jobmend.brain.config import BrainConfig, parse_config
from jobmend.brain.learning import folders, seen
from jobmend.brain.learning.failures.subject import Failures
from jobmend.brain.learning.loop import Loop
from jobmend.brain.learning.replay import FOLDER, Replay
from jobmend.brain.learning.steps import sifting
from jobmend.brain.learning.subject import Example
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.learning.work import Work
from jobmend.brain.quarantined import Vetting
from jobmend.brain.store import Store
from jobmend.classifier.advice import Models
from jobmend.jobs.actions import State
from jobmend.jobs.identity import Workflow
from tests.brain.conftest import Tell
from tests.brain.learning.toy import Toy, days
from tests.brain.scene import NOW, OK, OOM, Clock, ended

DAY = 86400.0


@dataclasses.dataclass
class Learner:
    """A store, and turns of numbers that come late or not."""

    config: BrainConfig
    store: Store
    toy: Toy

    def turn(self, day: float) -> TurnRecord:
        (turned,) = Loop(self.store, self.config, lambda: day * DAY).learn([self.toy])
        return turned.record

    def waiting(self) -> set[str]:
        with self.store.read() as db:
            words = quarantine.decisions(db, "toy")
        return {key for key, (state, _) in words.items() if state is Vetting.WAITING}

    def kept(self, turn: TurnRecord) -> set[str]:
        """What the turn learned from or was compared on, by key."""
        folder = folders.turn_of(self.config.store.models, "toy", turn.id)
        return set(json.loads((folder / sifting.FILE).read_bytes()))

    def remembered(self) -> set[str]:
        folder = folders.subject_of(self.config.store.models, "toy") / FOLDER
        return {one.key for one in Replay(self.toy, folder, 9).examples()}


@pytest.fixture
def learner(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Learner]:
    store = {"path": str(tmp_path / "brain.db"), "models": str(tmp_path / "models")}
    config = parse_config({"store": store, "learning": getattr(request, "param", {})})
    made = Learner(config, Store(config.store.path), Toy())
    yield made
    made.store.close()


def cut_off(toy: Toy, day: int, values: list[float]) -> set[str]:
    """What a node tells of a day that is over; the keys."""
    before = len(toy.told)
    for place, value in enumerate(values):
        toy.tell(day * DAY + 500 + place * 1000, value, f"late-{day}-{place}")
    return {one.key for one in toy.told[before:]}


def test_what_comes_behind_its_turn_is_vetted_in_the_next(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    assert learner.turn(3).body["late"] == 0
    usual, odd = cut_off(learner.toy, 2, [2.1] * 12), cut_off(learner.toy, 1, [9.0] * 6)
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    second = learner.turn(4)
    assert second.body["late"] == 18, second.body["why"]
    assert learner.waiting() >= odd and not learner.waiting() & usual
    assert learner.kept(second) >= usual and not learner.kept(second) & odd
    days(learner.toy, 4, 5, centre=2.0, seed=2)
    third = learner.turn(5)
    assert third.body["late"] == 0 and learner.kept(third) >= usual


def test_too_much_that_is_late_and_odd_holds_all_that_is_new_back(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    late = cut_off(learner.toy, 2, [9.0] * 60)
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    record = learner.turn(4)
    assert record.state is TurnState.QUARANTINED, record.body["why"]
    assert learner.waiting() >= late


def test_late_examples_are_what_models_are_compared_on(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    late = cut_off(learner.toy, 2, [2.0] * 60)
    record = learner.turn(4)  # and nothing else is new
    assert record.body["figures"]["new groups"] == 24, "two fifths are held out"
    assert learner.kept(record) >= late


def test_what_is_told_of_an_example_later_makes_it_new_once_more(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    for one in range(10):
        learner.toy.tell(2.5 * DAY + one, 2.0, f"running-{one}", truth="")
    learner.turn(3)
    told = [dataclasses.replace(one, truth=one.truth or "healthy") for one in learner.toy.told]
    learner.toy.told = told
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    assert learner.turn(4).body["late"] == 10
    days(learner.toy, 4, 5, centre=2.0, seed=2)
    assert learner.turn(5).body["late"] == 0


def test_a_turn_that_failed_before_it_vetted_has_seen_nothing(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    odd = cut_off(learner.toy, 2, [9.0] * 6)
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    learner.toy.novelty = None  # type: ignore[method-assign, assignment]
    assert learner.turn(4).state is TurnState.FAILED
    del learner.toy.novelty
    assert learner.turn(4.1).body["late"] == 6 and learner.waiting() >= odd


@pytest.mark.parametrize("learner", [{"days": 2, "replay": 9}], indirect=True)
def test_what_comes_too_late_for_any_turn_is_not_remembered_either(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    late = cut_off(learner.toy, 1, [9.0] * 60)
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    learner.turn(4)
    remembered = learner.remembered()
    assert remembered and not remembered & late
    with learner.store.read() as db:
        oldest = db.execute("SELECT min(time) FROM seen").fetchone()[0]
    assert oldest >= 2 * DAY, "no more is kept of what no turn reads again"


def test_what_no_model_reads_beside_the_others_is_left_out_and_said(
    learner: Learner, caplog: pytest.LogCaptureFixture
) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.toy.tell(2.9 * DAY, 2, "whole")
    record = learner.turn(3)
    assert record.body["notes"] == ["1 whole numbers are left out"]
    assert f"turn={record.id} 1 whole numbers are left out" in caplog.text
    assert "whole/" not in "".join(learner.kept(record))


def test_a_decision_that_was_made_late_is_new(brain: Brain, tell: Tell, clock: Clock) -> None:
    tell(*ended(1, OOM), *ended(2, OK))
    rules = Models(None, None)
    where = Workflow("c1", "w1")
    found = advising.judge(brain.store, where, rules, brain.config.advice, brain.clock())
    assert found is not None
    failures = Failures(brain.store, brain.config)
    assert failures.gather(NOW - 9, NOW + 9) == [], "nobody has decided"
    other: Example[float] = Example("other", NOW, "w", "k", "recover", 1.0)
    with brain.store.write() as db:
        seen.keep(db, failures.name, "the turn before", [other], NOW - 9)
        recommendations.move(db, found, State.APPROVED, now=NOW + DAY, who="op")
    with brain.store.read() as db:
        known = seen.by_others(db, failures.name, "t")
        assert seen.by_others(db, failures.name, "the turn before") == frozenset()
    (task,) = failures.gather(NOW - 9, NOW + 9)
    work = Work("t", failures, brain.config, NOW + 2 * DAY, NOW + 1, Path(), lambda *_: None, known)
    assert work.is_new(task), "it was advised before the newest period, and approved within"
    assert not dataclasses.replace(work, seen=frozenset()).is_new(task)
