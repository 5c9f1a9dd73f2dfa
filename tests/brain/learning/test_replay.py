"""What is remembered of old days: a fair sample of each kind, and the same when drawn again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.brain import quarantine
from jobmend.brain.brain import Brain
from jobmend.brain.evidence import Evidence
from jobmend.brain.learning.replay import STATE, Replay, remember
from jobmend.brain.learning.reservoir import Reservoir
from jobmend.brain.learning.subject import Example
from jobmend.brain.learning.work import Work
from jobmend.brain.quarantined import Item, Vetting
from tests.brain.learning.toy import Toy, days


def some(first: int, last: int, kind: str = "a") -> list[Example[float]]:
    return [
        Example(f"{kind}/{n}", float(n), f"g{n}", kind, "healthy", float(n))
        for n in range(first, last)
    ]


@given(stream=st.integers(0, 60), capacity=st.integers(0, 20), smaller=st.integers(0, 20))
def test_a_reservoir_holds_what_it_can_of_what_it_saw(
    stream: int, capacity: int, smaller: int
) -> None:
    reservoir = Reservoir[int](capacity, np.random.default_rng(0))
    gone = [out for n in range(stream) if (out := reservoir.add(n)) is not None]
    gone += reservoir.shrink(smaller)
    assert sorted([*gone, *reservoir.kept]) == list(range(stream))
    assert len(reservoir.kept) == min(stream, capacity, smaller)
    reservoir.add(99)
    assert len(reservoir.kept) <= reservoir.capacity == min(capacity, smaller)


def test_each_item_of_a_stream_is_kept_as_often() -> None:
    counts: Counter[int] = Counter()
    for seed in range(2000):
        reservoir = Reservoir[int](8, np.random.default_rng(seed))
        for n in range(12):
            reservoir.add(n)
        reservoir.shrink(5)
        for n in range(12, 20):
            reservoir.add(n)
        counts.update(reservoir.kept)
    assert sum(counts.values()) == 5 * 2000
    assert max(abs(counts[n] - 500) for n in range(20)) < 100  # 5 standard deviations


def test_kinds_share_the_room(tmp_path: Path) -> None:
    replay = Replay(Toy(), tmp_path, 20)
    kept = replay.take("t1", [*some(0, 500), *some(0, 3, "rare"), *some(0, 400, "b")], 1000)
    assert Counter(one.kind for one in kept) == {"a": 6, "rare": 3, "b": 6}
    assert kept == sorted(kept, key=lambda one: (one.time, one.key))


def test_a_day_is_offered_once(tmp_path: Path) -> None:
    first = Replay(Toy(), tmp_path, 10)
    assert first.reached == 0
    kept = first.take("t1", some(0, 100), 100)
    again = Replay(Toy(), tmp_path, 10)
    assert again.reached == 100
    assert again.take("t1", some(0, 500), 500) == kept  # the turn was resumed
    late = again.take("t2", some(0, 200), 200)
    assert len(late) == 10 and all(one.time < 200 for one in late)
    assert json.loads((tmp_path / STATE).read_bytes())["seen"] == {"a": 200}


def test_a_killed_turn_leaves_what_was_and_draws_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spared, tmp_path = tmp_path / "spared", tmp_path / "killed"
    Replay(Toy(), spared, 10).take("t1", some(0, 100), 100)
    kept = Replay(Toy(), tmp_path, 10).take("t1", some(0, 100), 100)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jobmend.brain.learning.replay.write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            Replay(Toy(), tmp_path, 10).take("t2", some(100, 300), 300)
    again = Replay(Toy(), tmp_path, 10)
    assert again.examples() == kept
    drawn = again.take("t2", some(100, 300), 300)
    assert drawn == Replay(Toy(), spared, 10).take("t2", some(100, 300), 300) != kept
    assert again.reached == 300
    assert len(list(tmp_path.glob("replay-*"))) == 1


def test_with_more_kinds_than_room_the_newest_stay(tmp_path: Path) -> None:
    many = [one for n in range(30) for one in some(n, n + 1, f"k{n:02}")]
    kept = Replay(Toy(), tmp_path, 10).take("t1", many, 100)
    assert [one.kind for one in kept] == [f"k{n}" for n in range(20, 30)]


def test_nothing_to_remember_and_no_room_for_it(tmp_path: Path) -> None:
    assert Replay(Toy(), tmp_path, 0).take("t1", some(0, 9), 9) == []
    assert Replay(Toy(), tmp_path, 5).take("t2", [], 20) == []
    assert Replay(Toy(), tmp_path, 5).reached == 20


@pytest.mark.parametrize("file", ["", "../secret", "replay-/../x", "other"])
def test_a_state_that_names_another_file_is_none(tmp_path: Path, file: str) -> None:
    state = {"turn": "t", "reached": 5.0, "file": file, "seen": {}}
    (tmp_path / STATE).write_text(json.dumps(state))
    replay = Replay(Toy(), tmp_path, 5)
    assert replay.reached == 0 and replay.examples() == []


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    replay = Replay(Toy(), tmp_path, 5)
    replay.take("t1", some(0, 50), 50)
    next(tmp_path.glob("replay-*[0-9a-f]")).write_text("[{")
    again = Replay(Toy(), tmp_path, 5)
    with pytest.raises(ValueError, match="damaged"):
        again.examples()
    assert len(again.take("t2", some(50, 90), 90)) == 5


@settings(max_examples=20)
@given(
    days=st.lists(st.lists(st.sampled_from("abc"), max_size=30), max_size=5),
    limit=st.integers(0, 12),
)
def test_it_is_never_more_than_the_limit_and_never_twice(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[str]], limit: int
) -> None:
    directory = tmp_path_factory.mktemp("replay")
    told: set[str] = set()
    for day, kinds in enumerate(days):
        new = [
            Example(f"{day}/{n}", 100.0 * day + n, "g", kind, "", 0.0)
            for n, kind in enumerate(kinds)
        ]
        told |= {one.key for one in new}
        kept = Replay(Toy(), directory, limit).take(f"t{day}", new, 100.0 * (day + 1))
        keys = [one.key for one in kept]
        assert len(keys) <= limit and len(set(keys)) == len(keys) and told.issuperset(keys)


def test_a_turn_remembers_what_grew_too_old_but_not_what_waits_or_is_ignored(
    brain: Brain,
) -> None:
    toy = days(Toy(), 0, 20, 1.0)
    apart = [one.key for one in toy.told[:60:6]]
    with brain.store.write() as db:
        for key in apart:
            item = Item("toy", key, "t0", 0.0, 0.0, "kind", 0.001, "odd")
            quarantine.add(db, item, Evidence())
    quarantine.decide(brain.store, "toy", apart[0], Vetting.NORMAL, "", "me", 1.0)
    quarantine.decide(brain.store, "toy", apart[1], Vetting.IGNORED, "", "me", 1.0)
    kept = [remember(work_of(brain, toy, end), brain.store) for end in (15, 15, 16)]
    assert [len(one) for one in kept] == [60 - 9, 60 - 9, 120 - 9]
    assert apart[0] in {one.key for one in kept[0]}.difference(apart[1:])
    assert max(one.time for one in kept[2]) < 2 * 86400
    assert remember(work_of(brain, toy, 3), brain.store) == kept[2]  # a clock that was set back


def work_of(brain: Brain, toy: Toy, day: int) -> Work[float]:
    begun = 86400.0 * day
    folder = brain.config.store.models / "turn"
    return Work(f"t{day}", toy, brain.config, begun, begun - 86400, folder, lambda *_: None)
