from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.agent.ring import Ring


def test_the_oldest_row_goes() -> None:
    ring = Ring(2, 3)
    for number in range(5):
        ring.push((number, -number))
    assert len(ring) == 3
    assert [list(row) for row in ring.rows(9)] == [[2, -2], [3, -3], [4, -4]]
    assert [list(row) for row in ring.rows(1)] == [[4, -4]]
    assert list(ring.row(0)) == [2, -2]
    assert list(ring.row(-3)) == [2, -2]


def test_beyond_its_ends_is_an_index_error() -> None:
    ring = Ring(1, 2)
    assert ring.rows(5) == []
    for index in (0, -1):
        with pytest.raises(IndexError):
            ring.row(index)


def test_rows_of_the_wrong_width_and_rings_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="3 numbers for a row of 2"):
        Ring(2, 3).push((1, 2, 3))
    with pytest.raises(ValueError, match="holds nothing"):
        Ring(0, 3)


@given(st.lists(st.floats(allow_nan=False, width=32)), st.integers(1, 9), st.integers(0, 12))
def test_it_is_the_tail_of_what_was_pushed(pushed: list[float], room: int, asked: int) -> None:
    ring = Ring(1, room)
    for value in pushed:
        ring.push((value,))
    tail = pushed[max(len(pushed) - min(room, asked), 0) :]
    assert [row[0] for row in ring.rows(asked)] == tail


def test_the_newest_row_of_a_time_is_found() -> None:
    ring = Ring(2, 4)
    assert ring.since(0, 10.0) is None
    for time in range(6):
        ring.push((time, -time))
    found = [ring.since(0, at) for at in (1.9, 2.0, 3.5, 5.0, 99.0)]
    assert [row and list(row) for row in found] == [None, [2, -2], [3, -3], [5, -5], [5, -5]]
