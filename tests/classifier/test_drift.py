"""Drift: what is told of samples of one distribution, of changed ones and of hostile numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobmend.classifier.drift import LARGE, LEVEL, Drift, drifts, ks_uniform, psi, unseen

ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)
SAMPLES = arrays(np.float64, st.integers(1, 60), elements=ANY)


def table(seed: int, rows: int) -> np.ndarray:
    """Columns as they come: continuous, heavy tails, a constant, mostly 0, counts, half NaN."""
    chance = np.random.default_rng(seed)
    columns = [
        chance.normal(size=rows),
        chance.standard_cauchy(rows),
        np.full(rows, 3.0),
        np.where(chance.random(rows) < 0.9, 0.0, chance.random(rows)),
        chance.poisson(2.0, rows).astype(float),
        np.where(chance.random(rows) < 0.5, np.nan, chance.random(rows)),
    ]
    return np.column_stack(columns)


NAMES = ("normal", "cauchy", "constant", "sparse", "counts", "gaps")


@pytest.mark.parametrize(("old", "new"), [(1000, 300), (300, 60), (60, 60), (5000, 40)])
def test_nothing_changed_is_rarely_called_a_change(old: int, new: int) -> None:
    """Of 100 pairs of tables without a change hardly one has a feature that drifted."""
    alarms = sum(
        any(it.drifted for it in drifts(NAMES, table(2 * seed, old), table(2 * seed + 1, new)))
        for seed in range(100)
    )
    assert alarms <= 100 * LEVEL * 2


def test_the_index_stays_near_what_it_is_without_a_change() -> None:
    found = [psi(table(seed, 500)[:, 0], table(seed + 1000, 500)[:, 0]) for seed in range(100)]
    expected = 9 * (1 / 500 + 1 / 500)
    assert 0.7 * expected < np.mean(found) < 1.3 * expected


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("normal", lambda values: values + 1),
        ("cauchy", lambda values: values * 10),
        ("constant", lambda values: values - 1),
        ("constant", lambda values: np.full_like(values, np.nan)),
        ("sparse", lambda values: np.where(np.arange(len(values)) % 2, values, 0.5)),
        ("counts", lambda values: values + 2),
        ("gaps", lambda values: np.nan_to_num(values)),
    ],
)
def test_a_change_is_told_of_the_feature_that_changed(name: str, change) -> None:  # type: ignore[no-untyped-def]
    reference, newest = table(1, 400), table(2, 100)
    place = NAMES.index(name)
    newest[:, place] = change(newest[:, place])
    told = drifts(NAMES, reference, newest)
    assert [it.feature for it in told if it.drifted] == [name]
    assert told[place].psi > LARGE
    assert told[place].ks > 0.2


def test_a_shift_that_is_significant_and_small_is_no_drift() -> None:
    chance = np.random.default_rng(0)
    old, new = chance.normal(size=(20000, 1)), chance.normal(0.1, size=(20000, 1))
    (told,) = drifts(("a",), old, new)
    assert told.p < 1e-6
    assert not told.drifted


def test_few_examples_say_nothing_and_shapes_must_fit() -> None:
    assert drifts(NAMES, table(0, 19), table(1, 500)) == ()
    assert drifts((), np.empty((50, 0)), np.empty((50, 0))) == ()
    with pytest.raises(ValueError, match="2 names"):
        drifts(("a", "b"), table(0, 30), table(1, 30))


@given(SAMPLES, SAMPLES)
def test_the_index_is_a_distance_of_any_numbers(old: np.ndarray, new: np.ndarray) -> None:
    assert psi(old, new) >= -1e-12
    assert math.isfinite(psi(old, new))
    assert abs(psi(old, old)) < 1e-12


@given(arrays(np.float64, (25, 2), elements=ANY), arrays(np.float64, (30, 2), elements=ANY))
def test_any_numbers_can_be_compared(old: np.ndarray, new: np.ndarray) -> None:
    for it in drifts(("a", "b"), old, new):
        assert 0 <= it.ks <= 1
        assert 0 <= it.p <= 1


@pytest.mark.parametrize("known", [50, 1000])
def test_p_values_smaller_than_chance_are_a_drift(known: int) -> None:
    """They compare with known examples, which are drawn by chance too."""
    chance = np.random.default_rng(0)

    def p_values(shift: float) -> np.ndarray:
        usual = np.sort(chance.normal(size=known))
        beyond = known - np.searchsorted(usual, chance.normal(shift, 1, 150))
        return np.asarray((beyond + 1) / (known + 1))

    alarms = sum(ks_uniform("novelty", p_values(0)).drifted for _ in range(300))
    assert alarms <= 300 * LEVEL * 2
    assert ks_uniform("novelty", p_values(1.5)).drifted
    assert not ks_uniform("novelty", p_values(-1.5)).drifted, "large p-values are what is usual"
    assert not ks_uniform("novelty", np.ones(200)).drifted
    assert not ks_uniform("novelty", np.full(200, np.nan)).drifted


def test_words_that_nobody_saw_before() -> None:
    chance = np.random.default_rng(1)
    words = [f"w{rank}" for rank in chance.zipf(1.5, 4000)]  # a long tail: new ones every day
    alarms = 0
    for part in range(8):
        day = [{word} for word in words[part * 500 : part * 500 + 500]]
        alarms += unseen("codes", day[:400], day[400:]).drifted
    assert alarms <= 1
    told = unseen("codes", [{"a", "b"}] * 30, [{"a"}] * 20 + [{"a", "new"}] * 10)
    assert told.drifted
    assert told.ks == pytest.approx(1 / 3)
    assert not unseen("codes", [], []).drifted


def test_the_rule() -> None:
    assert Drift("a", 0.3, 0.5, 0.001).drifted
    assert not Drift("a", 0.2, 0.5, 0.001).drifted
    assert not Drift("a", 0.3, 0.5, 0.02).drifted
    assert Drift("a", math.nan, 0.5, 0.001).drifted
    assert not Drift("a", math.nan, 0.01, 0.001).drifted
    assert not Drift("a", math.nan, math.nan, math.nan).drifted
