"""Parts of the data: groups stay whole, and the same turn splits the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain.learning.steps.gathering import drawn
from jobmend.brain.learning.steps.splitting import (
    HELD_OUT,
    NEWEST,
    TRAIN,
    VALIDATION,
    described,
    parts_of,
    split,
)
from jobmend.brain.learning.subject import Example

SINCE = 100.0


def example(group: str, time: float, number: int = 0) -> Example[int]:
    return Example(f"{group}/{number}/{time}", time, group, "kind", "healthy", number)


def is_new(one: Example[int]) -> bool:
    return one.time >= SINCE


examples = st.lists(
    st.builds(example, st.text(max_size=3), st.floats(0, 200), st.integers(0, 9)), max_size=60
)


@given(examples, st.text(max_size=5))
def test_groups_are_in_one_part(given: list[Example[int]], turn: str) -> None:
    found = split(given, is_new, turn)
    parts = parts_of(found, given, is_new)
    assert found == split(list(reversed(given)), is_new, turn)
    groups = {name: {one.group for one in part} for name, part in parts.items()}
    for first, second in ((TRAIN, VALIDATION), (TRAIN, HELD_OUT), (VALIDATION, HELD_OUT)):
        assert not groups[first] & groups[second]
    assert set(found.parts) == {one.group for one in given}
    assert all(one.time >= SINCE for one in (*parts[HELD_OUT], *parts[NEWEST]))


def test_shares() -> None:
    given = [example(f"old {number}", 50) for number in range(100)]
    given += [example(f"new {number}", 150) for number in range(50)]
    parts = parts_of(split(given, is_new, "turn"), given, is_new)
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {TRAIN: 104, VALIDATION: 26, HELD_OUT: 20, NEWEST: 50}
    other = parts_of(split(given, is_new, "another turn"), given, is_new)
    assert {one.key for one in other[HELD_OUT]} != {one.key for one in parts[HELD_OUT]}


def test_the_digest_of_a_part_is_that_of_what_is_known() -> None:
    one, two = example("a", 3.0), example("b", 5.0)
    part = described("train", [one, two])
    assert (part.examples, part.first, part.last) == (2, 3.0, 5.0)
    assert part.digest == described("train", [two, one]).digest
    assert part.digest != described("train", [one, two.vetted("hang")]).digest
    assert described("train", []).first is None


@given(examples, st.integers(0, 70))
def test_what_is_drawn_is_bounded_and_keeps_its_order(given: list[Example[int]], n: int) -> None:
    found = drawn(given, n, seed=1)
    assert len(found) == min(n, len(given))
    places = iter(given)
    assert all(any(one is other for other in places) for one in found)
    cut = {one.group for one in given if one not in found} & {one.group for one in found}
    assert len(cut) <= 1
