"""Champions: one row a promotion however often it is tried, files kept, going back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobmend.brain import audit
from jobmend.brain.config import BrainConfig
from jobmend.brain.models import champions
from jobmend.brain.models import kept as kept_models
from jobmend.brain.models.champions import Champion, ChampionError
from jobmend.brain.store import Store
from jobmend.classifier import artifact
from jobmend.classifier.artifact import ArtifactError
from tests.brain.scene import NOW, config_of


@dataclass
class House:
    """A store, the folder of models, and a few things to do with them."""

    config: BrainConfig
    store: Store
    folder: Path

    @property
    def models(self) -> Path:
        return self.config.store.models

    def saved(self, content: str) -> Path:
        directory = self.folder / "trained" / content
        artifact.write(directory, "toy", 1, {"learned.json": content.encode()})
        return directory

    def promote(self, content: str, turn: str = "", over: int | None = None) -> Champion:
        return champions.promote(
            self.store, self.models, "traces", self.saved(content),
            turn=turn or f"turn-{content}", now=NOW, why=f"{content} won",
            body={"arm": content, "turn": turn or f"turn-{content}"}, over=over,
        )  # fmt: skip

    def use(self, content: str) -> Champion:
        self.promote(content)
        found = champions.publish(self.store, self.models, "traces")
        assert found is not None
        return found

    @property
    def in_use(self) -> str:
        return artifact.read(self.models / "traces", "toy", 1)["learned.json"].decode()

    def back(self, number: int | None = None, turn: str = "") -> Champion:
        return champions.roll_back(
            self.store, self.config, "traces", number, "operator ann", "worse", NOW + 5, turn=turn
        )

    def history(self) -> list[Champion]:
        with self.store.read() as db:
            return champions.history(db, "traces")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = config_of(tmp_path)
    store = Store(config.store.path)
    yield House(config, store, tmp_path)
    store.close()


def test_a_turn_makes_one_champion_however_often_it_tries(house: House) -> None:
    one = house.promote("a")
    assert house.promote("a") == one and house.promote("b", turn=one.turn) == one
    assert (one.number, one.arm, one.restores) == (1, "a", 1)
    assert one.digest == artifact.digest(kept_models.path_of(house.models, "traces", 1))
    two = house.promote("b")
    assert [row.number for row in house.history()] == [2, 1] and house.history()[0] == two
    with house.store.read() as db:
        assert champions.newest(db, "failures") is None
        assert champions.by_digest(db, one.digest) == one
        assert champions.by_digest(db, one.digest, "failures") is None
        assert champions.subjects(db) == ["traces"]


@pytest.mark.parametrize("point", ["stage", "settle", "add"])
def test_a_promotion_that_was_killed_is_done_by_the_same_call_again(
    house: House, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.use("a")
    with monkeypatch.context() as patch:
        place = champions if point == "add" else kept_models
        real = getattr(place, point)

        def killed(*given: object, **named: object) -> None:
            if point != "add":
                real(*given, **named)
            raise KeyboardInterrupt

        patch.setattr(place, point, killed)
        with pytest.raises(KeyboardInterrupt):
            house.promote("b")
    assert [row.number for row in house.history()] == [1] and house.in_use == "a"
    assert house.use("b").number == 2 and house.in_use == "b"
    assert artifact.read(kept_models.path_of(house.models, "traces", 2), "toy", 1) == {
        "learned.json": b"b"
    }
    champions.prune(house.store, house.models, "traces")
    assert {path.name for path in (house.models / "champions" / "traces").iterdir()} == {"1", "2"}


def test_a_champion_that_was_replaced_meanwhile_is_not_beaten(house: House) -> None:
    house.promote("a", over=0)
    house.promote("b", over=1)
    with pytest.raises(ChampionError, match="champion 1 was replaced while turn turn-c ran"):
        house.promote("c", over=1)
    assert house.promote("b", over=1).number == 2, "what was done is not compared again"


def test_publishing_again_changes_nothing_and_mends_what_was_begun(house: House) -> None:
    assert champions.publish(house.store, house.models, "traces") is None
    house.use("a")
    manifest = house.models / "traces" / "manifest.json"
    stamp = manifest.stat().st_mtime_ns
    (house.models / "traces" / ".half.999999999").write_text("of a killed process")
    champions.publish(house.store, house.models, "traces")
    assert manifest.stat().st_mtime_ns == stamp
    assert not list((house.models / "traces").glob(".*"))
    manifest.write_text("{")
    champions.publish(house.store, house.models, "traces")
    assert house.in_use == "a"


def test_the_newest_is_in_use_whoever_publishes_last(house: House) -> None:
    for name in "abcdef":
        house.promote(name)
    threads = [
        threading.Thread(target=champions.publish, args=(house.store, house.models, "traces"))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    house.back(3)
    for thread in threads:
        thread.join()
    assert house.in_use == "c"


def test_going_back_and_forth(house: House) -> None:
    house.use("a")
    with pytest.raises(ChampionError, match="no champion before the one in use"):
        house.back()
    house.use("b")
    house.use("c")
    found = house.back()
    assert (found.number, found.restores, found.arm, house.in_use) == (4, 2, "b", "b")
    assert found.body["by"] == "operator ann" and found.body["turn"] == "turn-b"
    assert house.back().restores == 3 and house.in_use == "c"
    assert house.back(4).restores == 2, "a restored one is the model that it restored"
    assert house.back(1).restores == 1 and house.in_use == "a"
    with pytest.raises(ChampionError, match="champion 1 is the model in use already"):
        house.back(1)
    with pytest.raises(ChampionError, match="there is no champion 99"):
        house.back(99)
    with house.store.read() as db:
        rows = [row for row in audit.newest(db, 9) if row.what == champions.ROLLED_BACK]
    assert len(rows) == 4 and rows[-1].detail == "traces: 4 restores 2: worse"


def test_a_turn_goes_back_once(house: House) -> None:
    house.use("a")
    house.use("b")
    assert house.back(turn="t").number == house.back(turn="t").number == 3
    assert house.in_use == "a"


def test_from_a_model_trained_by_hand_one_goes_back_to_the_champion(house: House) -> None:
    house.use("a")
    house.use("b")
    artifact.copy(house.saved("by hand"), house.models / "traces")
    assert house.in_use == "by hand"
    assert house.back().restores == 2 and house.in_use == "b"


def test_a_champion_whose_files_are_damaged_is_not_put_in_use(house: House) -> None:
    house.use("a")
    house.use("b")
    (data,) = kept_models.path_of(house.models, "traces", 1).glob("*-learned.json")
    data.write_text("x")
    with pytest.raises(ChampionError, match="the files of champion 1 cannot be used"):
        house.back()
    assert len(house.history()) == 2 and house.in_use == "b"
    data.unlink()
    house.store.close()
    house.store = Store(house.config.store.path)
    with pytest.raises(ArtifactError):
        kept_models.publish(house.models, "traces", 1, house.history()[1].digest)
    assert house.in_use == "b"


def test_a_champion_of_a_version_that_is_no_longer_read_is_not_put_in_use(house: House) -> None:
    for content, version in (("a", 2), ("b", 3)):
        directory = house.folder / content
        artifact.write(directory, "traces", version, {"learned.json": content.encode()})
        champions.promote(
            house.store, house.models, "traces", directory,
            turn=content, now=NOW, why="won", body={},
        )  # fmt: skip
        champions.publish(house.store, house.models, "traces")

    def back(version: int) -> Champion:
        return champions.roll_back(
            house.store, house.config, "traces", None, "operator ann", "worse", NOW, version=version
        )

    with pytest.raises(ChampionError, match="holds 'traces' version 2, wanted is .* version 3"):
        back(3)
    assert len(house.history()) == 2
    assert back(2).restores == 1


def test_old_files_make_room_but_never_those_in_use_or_before(house: House) -> None:
    for name in "abcdef":
        house.use(name)
    house.back(1)
    champions.prune(house.store, house.models, "traces", keep=1)
    folder = house.models / "champions" / "traces"
    assert {path.name for path in folder.iterdir()} == {"1", "6"}
    assert len(house.history()) == 7
    with pytest.raises(ChampionError, match="choose another one"):
        house.back(3)
    assert house.back().restores == 6
