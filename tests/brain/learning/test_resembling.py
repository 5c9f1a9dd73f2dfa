"""What resembles what: the scale, neighbours, and what a person's word on some says of others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobmend.brain.learning.subject import Measured
from jobmend.brain.learning.vetting.resembling import FAR, Space, alike, neighbours

ANY = st.floats(allow_nan=True, allow_infinity=True, width=32)


def usual(rows: int = 200) -> Measured:
    chance = np.random.default_rng(0)
    values = np.column_stack(
        [
            chance.normal(5, 2, rows),
            np.where(chance.random(rows) < 0.9, 0.0, chance.random(rows)),
            np.full(rows, np.nan),
        ]
    )
    return Measured(("normal", "sparse", "never"), values)


def test_the_scale_is_that_of_a_standard_normal() -> None:
    space = Space.of(usual())
    assert abs(space.spread[0] - 2) < 0.4
    placed = space.place(np.array([[5.0, 0.0, 7.0], [1e9, np.nan, np.nan]]))
    assert abs(placed[0, 0]) < 0.2
    assert placed[1].tolist() == [FAR, 0.0, 0.0]
    assert np.isnan(space.middle[2])


def test_the_nearest_come_first() -> None:
    measured = usual()
    space = Space.of(measured)
    (found,) = neighbours(space, measured.values, measured.values[7:8], 3)
    assert found[0] == (7, 0.0)
    assert found[1][1] <= found[2][1]
    assert neighbours(space, measured.values[:0], measured.values[:2], 3) == [[], []]
    assert len(neighbours(space, measured.values[:2], measured.values[:1], 3)[0]) == 2


def test_what_was_accepted_stands_for_what_resembles_it_in_its_kind() -> None:
    chance = np.random.default_rng(1)
    accepted, others = chance.normal(0, 1, (100, 2)), chance.normal(0, 1, (200, 2))
    found = alike(accepted, ["a"] * 100, others, ["a"] * 200)
    assert found.mean() > 0.95
    assert not alike(accepted, ["a"] * 100, others + 8, ["a"] * 200).any()
    assert not alike(accepted, ["a"] * 100, others, ["b"] * 200).any()
    assert not alike(accepted[:4], ["a"] * 4, accepted[:4], ["a"] * 4).any(), "four are too few"


@given(arrays(np.float64, (12, 2), elements=ANY), arrays(np.float64, (3, 2), elements=ANY))
def test_any_numbers_have_a_place(old: np.ndarray, new: np.ndarray) -> None:
    space = Space.of(Measured(("a", "b"), old))
    assert np.isfinite(space.place(new)).all()
    for row in neighbours(space, old, new, 5):
        assert all(np.isfinite(distance) for _, distance in row)
    alike(space.place(old), ["a"] * 12, space.place(new), ["a"] * 3)
