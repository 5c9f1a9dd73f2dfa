"""Turns of a subject as small as can be: who becomes champion, what is kept, what fails."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobmend.brain import quarantine
from jobmend.brain.config import BrainConfig, parse_config
from jobmend.brain.learning import folders, lock, turns
from jobmend.brain.learning.loop import Loop, Turned
from jobmend.brain.learning.subject import Example, Tell
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.learning.work import OutOfTime
from jobmend.brain.models import champions
from jobmend.brain.quarantined import Vetting
from jobmend.brain.store import Store
from jobmend.classifier import artifact
from tests.brain.learning.toy import Constant, Toy, days
from tests.brain.scene import Clock

DAY = 86400.0


def config_of(root: Path, **learning: Any) -> BrainConfig:
    return parse_config(
        {
            "store": {"path": str(root / "brain.db"), "models": str(root / "models")},
            "learning": learning,
        }
    )


@dataclasses.dataclass
class Learner:
    """A store, a clock, and turns of one subject."""

    root: Path
    config: BrainConfig
    store: Store
    toy: Toy
    clock: Clock

    def turn(self, day: float, **other: Any) -> Turned:
        self.clock.time = day * DAY
        loop = Loop(self.store, self.config, self.clock, **other)
        (turned,) = loop.learn([self.toy])
        return turned

    def champion(self) -> champions.Champion | None:
        with self.store.read() as db:
            return champions.newest(db, "toy")

    def published(self) -> Constant:
        return self.toy.load(self.config.store.models / "toy")


@pytest.fixture
def learner(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    config = config_of(tmp_path, **getattr(request, "param", {}))
    store = Store(config.store.path)
    yield Learner(tmp_path, config, store, Toy(), Clock(0.0))
    store.close()


def after_a_change(learner: Learner) -> TurnRecord:
    """The turn after two changed days, behind the first champion's."""
    days(learner.toy, 0, 2, centre=2.0)
    learner.turn(2)
    days(learner.toy, 2, 4, centre=3.5, seed=1)
    return learner.turn(4).record


def test_the_first_champion_is_the_best_by_validation_and_is_published(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    turned = learner.turn(3)
    record = turned.record
    assert (record.state, record.body["before"], record.body["after"]) == (
        TurnState.PROMOTED,
        0,
        1,
    ), record.body["why"]
    champion = learner.champion()
    assert champion is not None and champion.arm == "mean"
    assert learner.published().value == pytest.approx(2.0, abs=0.1)
    assert champion.digest == artifact.digest(learner.config.store.models / "toy")
    assert "too few for picky" in record.body["left_out"]["picky"]
    low, high = champion.body["band"]
    assert low < 0.09 < high
    parts = {part["name"]: part for part in champion.body["parts"]}
    assert parts["held-out"]["first"] >= 2 * DAY > parts["train"]["first"]
    assert set(turned.seconds) >= {"gather", "vet", "split", "train/mean", "evaluate", "publish"}
    with learner.store.read() as db:
        assert turns.steps(db, record.id).keys() == turned.seconds.keys()
        assert turns.get(db, record.id) == record


def test_an_arm_whose_model_could_not_be_read_back_is_left_out(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    monkeypatch.setattr(artifact, "MAX_FILE_BYTES", len('{"arm": "zero", "value": 0.0, "spread": '))
    record = learner.turn(3).record
    assert record.state is TurnState.KEPT
    assert "learned.json would have" in record.body["why"]


@pytest.mark.parametrize("learner", [{"novel_share": 1.0}], indirect=True)
def test_a_better_model_waits_in_shadow_and_wins_again(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    days(learner.toy, 3, 4, centre=2.5, seed=1)
    second = learner.turn(4).record
    assert (second.state, second.body["after"]) == (TurnState.SHADOW, 1), second.body
    assert learner.published().value < 2.1
    days(learner.toy, 4, 5, centre=2.5, seed=2)
    third = learner.turn(5).record
    assert third.state is TurnState.PROMOTED, third.body
    assert (third.body["before"], third.body["after"], third.body["shadow"]) == (1, 2, None)
    champion = learner.champion()
    assert champion is not None and champion.body["turn"] == second.id
    assert champion.turn == third.id and champion.body["band"] is not None
    assert learner.published().value > 2.05
    shadows = folders.subject_of(learner.config.store.models, "toy") / folders.SHADOW
    assert not list(shadows.iterdir())


@pytest.mark.parametrize("learner", [{"shadow_turns": 0, "novel_share": 1.0}], indirect=True)
def test_without_shadow_a_better_model_is_champion_at_once(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    days(learner.toy, 3, 4, centre=2.5, seed=1)
    assert learner.turn(4).record.state is TurnState.PROMOTED


@pytest.mark.parametrize(
    "learner", [{"shadow_turns": 0, "novel_p": 0, "days": 2, "replay": 0}], indirect=True
)
def test_a_champion_that_errs_gives_way_to_the_one_before(learner: Learner) -> None:
    assert after_a_change(learner).body["after"] == 2
    days(learner.toy, 4, 5, centre=2.0, seed=2)
    record = learner.turn(5).record
    assert record.state is TurnState.ROLLED_BACK, record.body
    assert "left its band" in record.body["why"]
    champion = learner.champion()
    assert champion is not None and (champion.number, champion.restores) == (3, 1)
    assert champion.digest == artifact.digest(learner.config.store.models / "toy")


@pytest.mark.parametrize("learner", [{"novel_p": 0, "days": 2, "replay": 0}], indirect=True)
def test_a_challenger_goes_into_shadow_beside_a_rollback(learner: Learner) -> None:
    """Otherwise the way back after a change would take a turn more."""
    assert after_a_change(learner).state is TurnState.SHADOW
    days(learner.toy, 4, 5, centre=3.5, seed=2)
    assert learner.turn(5).record.body["after"] == 2
    days(learner.toy, 5, 6, centre=2.3, seed=3)
    record = learner.turn(6).record
    assert record.state is TurnState.ROLLED_BACK, record.body
    assert record.body["shadow"]["turn"] == record.id
    assert "which errs less than the champion too, goes into shadow" in record.body["why"]
    champion = learner.champion()
    assert champion is not None and champion.restores == 1
    days(learner.toy, 6, 7, centre=2.6, seed=4)
    later = learner.turn(7).record
    assert later.body["figures"]["shadow groups"] > 0
    assert later.state is TurnState.PROMOTED, later.body["why"]
    assert learner.published().value == pytest.approx(2.9, abs=0.1)


@pytest.mark.parametrize(
    "learner", [{"shadow_turns": 0, "novel_p": 0, "days": 2, "replay": 0}], indirect=True
)
def test_what_a_person_rolled_back_is_not_rolled_back_again(learner: Learner) -> None:
    after_a_change(learner)

    def person(point: str) -> None:
        if point == "compare:after":
            champions.roll_back(learner.store, learner.config, "toy", None, "ann", "it errs", 9.0)

    days(learner.toy, 4, 5, centre=2.0, seed=2)
    record = learner.turn(5, reached=person).record
    assert record.state is TurnState.FAILED and "was replaced while turn" in record.body["why"]
    champion = learner.champion()
    assert champion is not None and (champion.number, champion.restores) == (3, 1)


def test_a_period_unlike_all_before_is_quarantined_and_accepted_later(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    assert learner.turn(3).record.body["odd_share"] is None  # there was nobody to judge
    before = learner.published()
    days(learner.toy, 3, 4, centre=9.0, seed=1)
    poisoned = learner.turn(4)
    assert poisoned.record.state is TurnState.QUARANTINED
    assert poisoned.record.body["quarantined"] == 60
    assert poisoned.record.body["odd_share"] == 1.0
    assert "train/mean" not in poisoned.seconds
    assert learner.published() == before
    days(learner.toy, 4, 5, centre=2.0, seed=2)
    assert learner.turn(5).record.body["examples"] == 300
    assert learned(learner, "mean").value == pytest.approx(2.0, abs=0.1)
    accept_all(learner)
    days(learner.toy, 5, 6, centre=2.0, seed=3)
    learner.turn(6)
    assert learned(learner, "mean").value > 2.5


def learned(learner: Learner, arm: str) -> Constant:
    """What an arm of the newest turn learned."""
    with learner.store.read() as db:
        last = turns.history(db, "toy")[0]
    folder = folders.turn_of(learner.config.store.models, "toy", last.id)
    return learner.toy.load(folder / "arms" / arm)


def accept_all(learner: Learner, _turned: Turned | None = None) -> None:
    with learner.store.read() as db:
        keys = [item.key for item in quarantine.waiting(db, "toy")]
    quarantine.decide_all(learner.store, "toy", keys, Vetting.NORMAL, "", "ann", learner.clock())


def test_nothing_to_learn_is_no_failure(learner: Learner) -> None:
    empty = learner.turn(1)
    assert empty.record.state is TurnState.KEPT and not empty.failed
    assert empty.record.body["why"].startswith("toy: there is no example in the newest 14 days")
    learner.toy.tell(1.5 * DAY, 1.0, "g")
    few = learner.turn(2).record
    assert few.state is TurnState.KEPT and "no arm can learn yet" in few.body["why"]
    days(learner.toy, 2, 3, centre=1.0)
    learner.turn(3)
    idle = learner.turn(4).record
    assert idle.state is TurnState.KEPT and "nothing new to learn from" in idle.body["why"]
    assert idle.body["before"] == idle.body["after"] == 1


@pytest.mark.parametrize("learner", [{"max_examples": 200, "replay": 50}], indirect=True)
def test_what_there_was_no_room_for_comes_neither_late_nor_old(learner: Learner) -> None:
    days(learner.toy, 0, 10, centre=2.0)
    learner.turn(10)
    taken = set(gathered(learner))
    days(learner.toy, 10, 11, centre=2.0, seed=1)
    body = learner.turn(11).record.body
    assert (body["newest"], body["late"], body["examples"]) == (60, 0, 200)
    assert set(gathered(learner)) <= taken | {one.key for one in learner.toy.told[-60:]}


def gathered(learner: Learner) -> list[str]:
    """The keys of what the newest turn read."""
    with learner.store.read() as db:
        last = turns.history(db, "toy")[0]
    folder = folders.turn_of(learner.config.store.models, "toy", last.id)
    return [one.key for one in learner.toy.read(folder / "examples")]


@pytest.mark.parametrize("learner", [{"replay": 100}], indirect=True)
def test_of_what_is_older_than_the_days_a_part_is_remembered(learner: Learner) -> None:
    days(learner.toy, 0, 20, centre=2.0)
    body = learner.turn(20).record.body
    assert body["examples"] == 14 * 60 + 100 and body["newest"] == 60


def test_an_arm_that_was_added_meanwhile_is_compared_in_the_resumed_turn(learner: Learner) -> None:
    def interrupt(point: str) -> None:
        if point == "promote:before":
            raise KeyboardInterrupt

    learner.toy.arms = ("zero",)
    days(learner.toy, 0, 3, centre=2.0)
    with pytest.raises(KeyboardInterrupt):
        learner.turn(3, reached=interrupt)
    learner.toy.arms = ("zero", "mean")
    record = learner.turn(3).record
    assert (record.state, record.body["arm"]) == (TurnState.PROMOTED, "mean")
    with learner.store.read() as db:
        assert len(turns.history(db, "toy")) == 1


@pytest.mark.parametrize("learner", [{"resume_seconds": 3600}], indirect=True)
def test_a_turn_that_was_interrupted_long_ago_is_abandoned(learner: Learner) -> None:
    def interrupt(point: str) -> None:
        if point == "vet:after":
            raise KeyboardInterrupt

    days(learner.toy, 0, 3, centre=2.0)
    with pytest.raises(KeyboardInterrupt):
        learner.turn(3, reached=interrupt)
    days(learner.toy, 3, 4, centre=2.0)
    assert learner.turn(4).record.state is TurnState.PROMOTED
    with learner.store.read() as db:
        states = [one.state for one in turns.history(db, "toy")]
    assert states == [TurnState.PROMOTED, TurnState.ABANDONED]


class Broken(Toy):
    def measure(self, examples: Sequence[Example[float]]) -> Any:
        raise RuntimeError("a bug\x1b[31m")


def test_a_failure_leaves_the_champion_and_says_so(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    before = learner.published()
    learner.toy = Broken(learner.toy.told)
    days(learner.toy, 3, 4, centre=2.0)
    failed = learner.turn(4)
    assert failed.failed and "\x1b" not in failed.record.body["why"]
    assert failed.record.body["why"].startswith("RuntimeError: a bug")
    assert learner.published() == before
    learner.toy = Toy(learner.toy.told)
    again = learner.turn(5)
    assert not again.failed and again.record.body["newest"] == 60


@pytest.mark.parametrize("write", range(1, 25))
@pytest.mark.parametrize("learner", [{"novel_share": 1.0}], indirect=True)
def test_a_full_disk_leaves_a_champion_and_the_next_turn_goes_on(
    learner: Learner, write: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, centre in enumerate((2.0, 2.0, 2.0, 2.5, 2.5, 2.5)):
        days(learner.toy, day, day + 1, centre, seed=day)
    learner.turn(3)
    assert learner.turn(4).record.state is TurnState.SHADOW
    before, written, fsync = learner.published(), itertools.count(1), os.fsync

    def full(descriptor: int) -> None:
        if next(written) == write:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        record = learner.turn(5).record
    models, was_full = learner.config.store.models, next(written) > write
    assert (record.state is TurnState.FAILED) == was_full and (was_full or write > 20)
    told = record.body["why"].startswith(f"{models}: there is no room left on the disk; make room")
    assert told == was_full
    assert (learner.published() == before) or learner.published().value > before.value
    assert not learner.turn(6).failed
    champion = learner.champion()
    assert champion is not None and champion.number == 2
    assert champion.digest == artifact.digest(models / "toy")
    assert not [path for path in (models / "toy").iterdir() if path.name.startswith(".")]


@dataclasses.dataclass
class Other(Toy):
    name: ClassVar[str] = "other"


def test_a_subject_that_is_killed_does_not_keep_the_other_from_its_turn(learner: Learner) -> None:
    loop = Loop(learner.store, learner.config, learner.clock)
    other = days(Other(), 0, 3, centre=2.0)
    days(learner.toy, 0, 3, centre=2.0)

    def killed(point: str) -> None:
        if point == "vet:after":
            raise KeyboardInterrupt

    learner.clock.time = 3 * DAY
    assert [one.record.subject for one in loop.learn([learner.toy, other])] == ["toy", "other"]
    with pytest.raises(KeyboardInterrupt):
        learner.turn(4, reached=killed)
    learner.clock.time = 5 * DAY
    assert [one.record.subject for one in loop.learn([learner.toy, other])] == ["other", "toy"]


class Slow(Toy):
    def train(self, arm: str, train: Sequence[Example[float]], seed: int, tell: Tell) -> Constant:
        if arm == "mean":
            raise OutOfTime
        return super().train(arm, train, seed, tell)


def test_an_arm_that_is_out_of_time_is_left_out(learner: Learner) -> None:
    learner.toy = days(Slow(), 0, 3, centre=2.0)
    record = learner.turn(3).record
    assert record.body["arm"] == "zero"
    assert record.body["left_out"]["mean"].startswith("out of time: the turn may take 120 minutes")


@pytest.mark.parametrize("learner", [{"turn_minutes": 1e-9}], indirect=True)
def test_a_turn_without_time_fails(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    record = learner.turn(3).record
    assert record.state is TurnState.FAILED and "out of time" in record.body["why"]


def test_one_turn_at_a_time(learner: Learner) -> None:
    path = folders.lock_of(learner.config.store.models)
    with lock.held(path, 0.0), pytest.raises(lock.Busy) as caught:
        learner.turn(1)
    assert f"another turn runs since 1970-01-01 00:00:00 UTC (process {os.getpid()})" in str(
        caught.value
    )
    assert learner.turn(1).record.state is TurnState.KEPT


def test_a_model_trained_by_hand_is_the_one_to_beat(learner: Learner) -> None:
    by_hand = Constant("by hand", 2.0, 0.3)
    by_hand.save(learner.config.store.models / "toy")
    days(learner.toy, 0, 3, centre=2.0)
    record = learner.turn(3).record
    assert record.state is TurnState.KEPT, record.body
    assert learner.published() == by_hand and learner.champion() is None
    Constant("by hand", 0.5, 9.0).save(learner.config.store.models / "toy")
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    assert learner.turn(4).record.state is TurnState.SHADOW
    days(learner.toy, 4, 5, centre=2.0, seed=2)
    assert learner.turn(5).record.state is TurnState.PROMOTED
    assert learner.published().arm == "mean"


def test_a_champion_rolled_back_meanwhile_is_not_written_over(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)

    def replaced(point: str) -> None:
        if point == "compare:after":
            with learner.store.write() as db:
                champions.add(db, "toy", digest="d", turn="", now=0.0, why="a person", body={})

    days(learner.toy, 3, 4, centre=2.5, seed=1)
    learner.config = config_of(learner.root, shadow_turns=0, novel_share=1.0)
    record = learner.turn(4, reached=replaced).record
    assert record.state is TurnState.FAILED and "was replaced while turn" in record.body["why"]
    champion = learner.champion()
    assert champion is not None and champion.why == "a person"


@pytest.mark.parametrize(
    "learner", [{"shadow_turns": 0, "novel_p": 0, "days": 2, "replay": 0}], indirect=True
)
@pytest.mark.parametrize("rolls_back", [False, True])
def test_a_model_trained_by_hand_meanwhile_is_not_written_over(
    learner: Learner, rolls_back: bool
) -> None:
    by_hand = Constant("by hand", 1.0, 0.3)

    def trained(point: str) -> None:
        if point == "compare:after":
            by_hand.save(learner.config.store.models / "toy")

    days(learner.toy, 0, 2, centre=2.0)
    learner.turn(2)
    days(learner.toy, 2, 4, centre=3.5, seed=1)
    if rolls_back:
        learner.turn(4)
        days(learner.toy, 4, 5, centre=2.0, seed=2)
    before = learner.champion()
    record = learner.turn(4 + rolls_back, reached=trained).record
    assert record.state is TurnState.FAILED, record.body["why"]
    assert "a model was trained by hand while turn" in record.body["why"]
    assert learner.published() == by_hand and learner.champion() == before


@pytest.mark.parametrize("learner", [{"kept_turns": 2}], indirect=True)
def test_old_turns_make_room(learner: Learner) -> None:
    for day in range(4):
        days(learner.toy, day, day + 1, centre=2.0, seed=day)
        learner.turn(day + 1)
    with learner.store.read() as db:
        newest = {one.id for one in turns.history(db, "toy")[:2]}
    folder = folders.subject_of(learner.config.store.models, "toy")
    others = {folders.SHADOW, "replay"}
    assert {path.name for path in folder.iterdir()} - others == newest
    assert learner.champion() is not None


@pytest.mark.parametrize("learner", [{"disk_bytes": 1}], indirect=True)
def test_a_turn_larger_than_its_room_fails(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    record = learner.turn(3).record
    assert record.state is TurnState.FAILED and "[learning] disk_bytes" in record.body["why"]


def test_a_champion_whose_files_are_damaged_is_replaced(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    models = learner.config.store.models
    damaged = json.dumps({"jobmend_model": "toy"})
    (models / "champions" / "toy" / "1" / "manifest.json").write_text(damaged)
    days(learner.toy, 3, 4, centre=2.0, seed=1)
    record = learner.turn(4).record  # the files in use are there
    assert (record.state, record.body["after"]) == (TurnState.KEPT, 1), record.body
    (models / "toy" / "manifest.json").write_text(damaged)
    days(learner.toy, 4, 5, centre=2.0, seed=2)
    record = learner.turn(5).record
    assert (record.state, record.body["after"]) == (TurnState.PROMOTED, 2), record.body
    assert learner.published().arm == "mean"


@pytest.mark.parametrize(
    "learner", [{"shadow_turns": 0, "novel_p": 0, "days": 2, "replay": 0}], indirect=True
)
def test_what_a_person_went_back_from_does_not_come_back_by_itself(learner: Learner) -> None:
    after_a_change(learner)
    champions.roll_back(learner.store, learner.config, "toy", None, "ann", "it is odd", 4.1 * DAY)
    days(learner.toy, 4, 5, centre=3.5, seed=2)
    learner.toy.arms = ("zero",)  # nothing new that is better
    record = learner.turn(5).record
    assert record.state is TurnState.KEPT, record.body["why"]
    champion = learner.champion()
    assert champion is not None and (champion.number, champion.restores) == (3, 1)


def test_a_clock_that_was_ahead_once_does_not_end_learning(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    assert learner.turn(400).record.state is TurnState.KEPT
    days(learner.toy, 3, 4, centre=2.5, seed=1)
    learner.config = config_of(learner.root, novel_share=1.0, days=3)
    record = learner.turn(4).record
    assert record.state is TurnState.SHADOW, record.body["why"]
    days(learner.toy, 4, 5, centre=2.5, seed=2)
    record = learner.turn(5).record
    assert record.state is TurnState.PROMOTED, record.body["why"]
    assert record.body["examples"] == 5 * 60  # with what is remembered of the first two days


@pytest.mark.parametrize("learner", [{"novel_share": 1.0}], indirect=True)
def test_a_shadow_whose_files_are_gone_waits_no_more(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    days(learner.toy, 3, 4, centre=2.5, seed=1)
    waiting = learner.turn(4).record
    assert waiting.state is TurnState.SHADOW
    shutil.rmtree(folders.shadow_of(learner.config.store.models, "toy", waiting.id))
    learner.toy.arms = ("zero",)
    days(learner.toy, 4, 5, centre=2.5, seed=2)
    record = learner.turn(5).record
    assert (record.state, record.body["shadow"]) == (TurnState.KEPT, None), record.body


@pytest.mark.parametrize("learner", [{"novel_share": 1.0}], indirect=True)
def test_few_runs_a_day_are_compared_once_they_are_enough(learner: Learner) -> None:
    days(learner.toy, 0, 3, centre=2.0)
    learner.turn(3)
    states = []
    for day in range(3, 12):
        few = days(Toy(), day, day + 1, centre=2.5, seed=day).told
        learner.toy.told += [one for one in few if int(one.group.partition("-g")[2]) < 6]
        states.append(learner.turn(day + 1).record.state)
    assert TurnState.PROMOTED in states, states
