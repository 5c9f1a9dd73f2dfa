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
    assert ring.rows(0) == Ring(1, 2).rows(5) == []


def test_sums_of_columns() -> None:
    ring = Ring(2, 3)
    assert ring.sums(4) == [0, 0]
    for number in range(5):
        ring.push((number, 10 * number))
    assert [ring.sums(count) for count in (1, 2, 3, 4)] == [[4, 40], [7, 70], [9, 90], [9, 90]]


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
    assert ring.sums(asked)[0] == pytest.approx(sum(tail), nan_ok=True)
