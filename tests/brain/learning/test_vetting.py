"""Vetting a period in a store: what waits, what is learned from, what a person's word changes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobmend.brain import drifts, quarantine
from jobmend.brain.config import LearningConfig
from jobmend.brain.learning.subject import Example, Measured, Numbers
from jobmend.brain.learning.vetting.vet import Vetted, vet
from jobmend.brain.learning.vetting.witnessing import shown
from jobmend.brain.quarantined import Vetting, Wanted, period_key
from jobmend.brain.store import Store
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs.identity import SiteStatus
from jobmend.jobs.windows import TraceWindow

CONFIG = LearningConfig()
DAY = 86400.0


class Numbered:
    """Pairs of numbers around (0, 0); the model knows that, and doubts truths that say "wrong"."""

    name = "traces"

    def measure(self, examples: Sequence[Example[Any]]) -> Measured:
        return Measured(("x", "y"), np.array([it.content for it in examples]).reshape(-1, 2))

    def novelty(self, model: Any, examples: Sequence[Example[Any]]) -> Numbers:
        return np.array(
            [math.exp(-(x * x + y * y) / 2) for x, y in (it.content for it in examples)]
        )

    def compared(self, model: Any, examples: Sequence[Example[Any]]) -> Numbers:
        return np.full(len(examples), 1e6)

    def suspicion(self, model: Any, examples: Sequence[Example[Any]]) -> Numbers:
        return np.array([0.001 if it.truth == "wrong" else 0.6 for it in examples])

    def describe(self, example: Example[Any]) -> Mapping[str, str]:
        return {"job": example.group}


class Coded(Numbered):
    """The same with a code each, which is new on the last days."""

    def codes(self, example: Example[Any]) -> set[str]:
        return {"new" if example.time >= 3 * DAY else "old"}


@dataclass
class Desk:
    """Days of examples, vetted one after the other in one store."""

    store: Store
    told: list[Example[Any]] = field(default_factory=list)
    subject: Any = field(default_factory=Numbered)
    learned_until: float = math.inf

    def day(self, number: int, centre: float = 0.0, kind: str = "w1", rows: int = 100) -> None:
        chance = np.random.default_rng(number)
        for row in range(rows):
            x, y = (chance.normal(centre, 1), chance.normal(0, 1))
            key = f"{kind}/{number}/{row}"
            self.told.append(Example(key, number * DAY + row, key, kind, "healthy", (x, y)))

    def turn(self, number: int, champion: Any = "any", turn: str = "") -> Vetted[Any]:
        turn = turn or f"turn-{number}"
        with self.store.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO turns VALUES (?,?,?,?,?,?)",
                (turn, "traces", number * DAY, None, "running", "{}"),
            )
        newest = [it for it in self.told if it.time >= number * DAY]
        older = [it for it in self.told if it.time < number * DAY]
        learned = [it for it in older if it.time < self.learned_until]
        now = (number + 1) * DAY
        return vet(self.subject, champion, newest, learned, self.store, turn, CONFIG, now, older)

    def waiting(self) -> list[str]:
        with self.store.read() as db:
            return [it.key for it in quarantine.waiting(db, "traces")]

    def say(self, key: str, state: Vetting, label: str = "") -> None:
        quarantine.decide(self.store, "traces", key, state, label, "operator ann", 0.0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(Store(tmp_path / "brain.db"))
    for number in range(3):
        desk.day(number)
    yield desk
    desk.store.close()


def test_an_ordinary_day_is_kept_and_nobody_is_asked(desk: Desk) -> None:
    vetted = desk.turn(2)
    assert (len(vetted.kept), len(vetted.reference), vetted.whole) == (100, 200, False)
    assert (vetted.quarantined, vetted.waiting, desk.waiting()) == (0, 0, [])
    assert not any(it.drifted for it in vetted.drifts)
    assert {it.feature for it in vetted.drifts} == {"x", "y", "novelty", "unseen kinds"}
    with desk.store.read() as db:
        assert set(drifts.newest(db, "traces")) == set(vetted.drifts)
        assert drifts.newest(db, "failures") == []


def test_without_a_champion_nothing_is_new(desk: Desk) -> None:
    desk.day(3, centre=9)
    vetted = desk.turn(3, champion=None)
    assert (len(vetted.kept), vetted.whole, desk.waiting()) == (100, False, [])
    assert {it.feature for it in vetted.drifts if it.drifted} == {"x"}


def test_a_new_kind_waits_until_a_person_has_looked(desk: Desk) -> None:
    desk.day(3)
    desk.day(3, centre=9, kind="new", rows=15)
    vetted = desk.turn(3)
    assert {it.kind for it in vetted.kept} == {"w1"}
    assert (vetted.quarantined, vetted.waiting, vetted.whole) == (15, 15, False)
    assert "15 of 115" in vetted.why
    with desk.store.read() as db:
        first = quarantine.waiting(db, "traces")[0]
        told = quarantine.evidence_on(db, "traces", first.key)
    assert first.reason.startswith("no older example is of its kind; x is ")
    assert first.p is not None
    assert first.p < 1e-9
    assert told.facts == {"job": first.key}
    assert told.readings[0].name == "x"
    assert len(told.neighbours) == 5
    assert {it.truth for it in told.neighbours} == {"healthy"}

    desk.say("new/3/0", Vetting.NORMAL)
    desk.say("new/3/1", Vetting.ANOMALY, "hang")
    desk.say("new/3/2", Vetting.IGNORED)
    desk.day(4)
    later = desk.turn(4)
    labels = {it.key: it.label for it in later.reference if it.kind == "new"}
    assert labels == {"new/3/0": "normal", "new/3/1": "hang"}
    assert (len(later.kept), later.quarantined, later.waiting) == (100, 0, 12)


def test_codes_that_were_never_seen_are_drift(desk: Desk) -> None:
    desk.day(3)
    desk.subject = Coded()
    assert [it.feature for it in desk.turn(3).drifts if it.drifted] == ["unseen codes"]


@pytest.mark.parametrize("learned_until", [math.inf, 3 * DAY])
def test_what_resembles_accepted_examples_is_not_asked_about_again(
    desk: Desk, learned_until: float
) -> None:
    """Whether the champion saw the accepted ones or was made before."""
    desk.learned_until = learned_until
    desk.day(3)
    desk.day(3, centre=9, kind="new", rows=30)
    desk.turn(3)
    for row in range(30):
        desk.say(f"new/3/{row}", Vetting.NORMAL)
    desk.day(4)
    desk.day(4, centre=9, kind="new", rows=30)
    desk.day(4, centre=-9, kind="other", rows=10)
    vetted = desk.turn(4)
    kept = [it.kind for it in vetted.kept]
    assert kept.count("new") >= 28
    assert kept.count("other") == 0


def test_who_accepted_an_example_did_not_accept_another_truth_about_its_like(desk: Desk) -> None:
    desk.day(3, centre=9)
    desk.turn(3)
    desk.say(period_key("turn-3"), Vetting.NORMAL)
    desk.day(4, centre=9)
    desk.told = [replace(it, truth="wrong") if it.time >= 4 * DAY else it for it in desk.told]
    vetted = desk.turn(4)
    assert vetted.whole and "contradicts" in vetted.why


def test_a_day_that_is_all_new_is_set_apart_as_one_and_accepted_as_one(desk: Desk) -> None:
    desk.day(3, centre=9)
    vetted = desk.turn(3)
    assert vetted.whole
    assert vetted.kept == []
    assert "unlike all that the champion learned from" in vetted.why
    period = period_key("turn-3")
    assert desk.waiting() == [period]
    assert (vetted.quarantined, vetted.waiting) == (100, 100)
    desk.day(4, centre=9)
    assert desk.turn(4).whole, "nobody has looked"
    desk.say(period, Vetting.NORMAL)
    desk.day(5, centre=9)
    vetted = desk.turn(5)
    assert not vetted.whole
    assert len(vetted.kept) >= 95
    accepted = [it for it in vetted.reference if it.time >= 3 * DAY]
    assert len(accepted) == 100
    assert {it.label for it in accepted} == {""}, "what schedulers said of it holds"
    assert desk.waiting()[-1] == period_key("turn-4")


def test_a_day_whose_truths_contradict_is_set_apart(desk: Desk) -> None:
    desk.day(3)
    poisoned = [
        replace(it, truth="wrong") if it.time >= 3 * DAY and place % 3 == 0 else it
        for place, it in enumerate(desk.told)
    ]
    desk.told = poisoned
    vetted = desk.turn(3)
    assert vetted.whole
    assert "contradicts what the champion is sure of" in vetted.why
    with desk.store.read() as db:
        (period,) = quarantine.waiting(db, "traces")
        found = quarantine.find(db, Wanted(turn="turn-3"), 500)
    assert period.examples == 100
    doubted = [it for it in found if it.reason.startswith("it is said to be wrong, which the")]
    assert len(doubted) == 34
    desk.say(period.key, Vetting.ANOMALY, "mislabelled")
    assert {it.label for it in desk.turn(4).reference if it.time >= 3 * DAY} == {"mislabelled"}


@pytest.mark.parametrize("centre", [9.0, 0.0])
def test_vetted_again_after_a_kill_it_finds_the_same(desk: Desk, centre: float) -> None:
    desk.day(3, centre=centre)
    desk.day(3, centre=-9, kind="new", rows=10)
    assert desk.turn(3) == desk.turn(3)
    waits = desk.waiting()
    assert desk.turn(3, turn="another").whole is False, "all of it waits already"
    assert desk.waiting() == waits


def test_a_period_of_nothing(desk: Desk) -> None:
    vetted = desk.turn(9)
    assert (vetted.kept, len(vetted.reference), vetted.whole, vetted.why) == ([], 300, False, "")
    desk.told = []
    assert desk.turn(10).reference == []


def test_a_window_is_shown_as_the_mean_of_the_threads_that_somebody_owns() -> None:
    values = np.full((3, 130, 2), np.nan, dtype=np.float32)
    values[0, :, 0], values[1, :, 0], values[2, :, 0] = 0.2, 0.4, 99.0
    values[1, 5, 0] = np.nan
    owners = ("c1/slurm/1/0", "c1/slurm/2/0", None)
    window = TraceWindow(
        "n1", 0.0, 0.5, (0, 1, 2), owners, array("f", values.ravel()), ("user", "never")
    )
    told = shown(window)
    assert set(told.curves) == {"user"}
    curve = told.curves["user"]
    assert (len(curve), told.step_seconds) == (44, 1.5)
    assert all(value is not None and 0.27 < value < 0.31 for value in curve)
    assert told.runs == ["c1/slurm/1/0", "c1/slurm/2/0"]


def test_a_task_is_shown_by_its_failures() -> None:
    cells = {Cell(f"exit:{code}", "s1", SiteStatus.GOOD): code for code in range(1, 60)}
    told = shown(FailedTask("c1/w1", cells))
    assert len(told.counts) == 40
    assert next(iter(told.counts.items())) == ("exit:59 at s1", 59)
    assert shown("something else").curves == {}
