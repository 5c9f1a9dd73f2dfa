"""Who errs less: the promise of few false promotions, and what groups, margins and NaN do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from jobmend.classifier.paired import ALPHA, LEAST_GROUPS, better, mean_loss

LOSSES = st.lists(
    st.tuples(
        st.floats(0, 1e6, allow_nan=False) | st.just(math.nan),
        st.floats(0, 1e6, allow_nan=False) | st.just(math.nan),
        st.sampled_from([f"g{n}" for n in range(20)]),
    ),
    max_size=40,
)


def names(groups: int, each: int) -> list[str]:
    return [f"g{n}" for n in range(groups) for _ in range(each)]


@pytest.mark.parametrize("groups", [LEAST_GROUPS, 30])
@pytest.mark.parametrize("heavy", [False, True])
def test_of_models_without_a_difference_few_win(groups: int, heavy: bool) -> None:
    seeds, won = 150, 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        of_group = rng.exponential(1.0, groups).repeat(3)  # what makes a group hard for both
        draw = rng.standard_exponential if heavy else rng.random
        ours, theirs = of_group + draw(3 * groups), of_group + draw(3 * groups)
        won += better(ours, theirs, names(groups, 3), 0.0, 0).won
    assert won <= binom.ppf(0.999, seeds, ALPHA)


def test_examples_of_one_group_are_one_witness() -> None:
    rng = np.random.default_rng(0)
    won = 0
    for _seed in range(60):
        luck = rng.normal(0, 1, 10).repeat(50)  # all examples of a group share it
        ours = 5 + rng.random(500)
        won += better(ours, ours + luck, names(10, 50), 0.0, 0).won
    assert won <= binom.ppf(0.999, 60, ALPHA)


def test_a_real_gain_wins_and_its_loss_does_not() -> None:
    rng = np.random.default_rng(1)
    ours = rng.random(120) + 1
    theirs = ours - 0.3 + rng.normal(0, 0.1, 120)
    found = better(ours, theirs, names(40, 3), 0.02, 0)
    assert found.won and found.groups == 40 and found.p < 0.01
    assert 0.02 * found.champion < found.low < found.gain < found.high
    assert found.gain == pytest.approx(found.champion - found.challenger)
    assert not better(theirs, ours, names(40, 3), 0.02, 0).won


def test_a_gain_within_the_margin_does_not_win() -> None:
    rng = np.random.default_rng(2)
    ours = rng.random(200) + 1
    theirs = ours * 0.95
    groups = names(50, 4)
    assert better(ours, theirs, groups, 0.02, 0).won
    assert not better(ours, theirs, groups, 0.1, 0).won


def test_too_few_groups_never_win() -> None:
    ours = np.full(700, 1.0)
    assert not better(ours, 0 * ours, names(LEAST_GROUPS - 1, 100), 0.0, 0).won
    assert better(ours[:8], 0 * ours[:8], names(LEAST_GROUPS, 1), 0.0, 0).won


def test_a_big_group_counts_as_much_as_a_small_one() -> None:
    groups = ["big"] * 97 + ["a", "b", "c"]
    ours, theirs = np.ones(100), np.array([0.0] * 97 + [2.0] * 3)
    assert better(ours, theirs, groups, 0.0, 0).gain == pytest.approx(-0.5)


def test_nothing_to_compare_and_what_cannot_be() -> None:
    empty = better(np.full(3, np.nan), np.zeros(3), ["a", "b", "c"], 0.1, 0)
    assert (empty.groups, empty.won) == (0, False) and math.isnan(empty.gain)
    assert math.isnan(mean_loss(np.array([]), [], 0).value)
    with pytest.raises(ValueError, match="2 losses of 1"):
        better(np.zeros(2), np.zeros(2), ["a"], 0.1, 0)
    with pytest.raises(ValueError, match="infinite"):
        better(np.zeros(1), np.array([np.inf]), ["a"], 0.1, 0)


@settings(max_examples=30)
@given(told=LOSSES, margin=st.floats(0, 1))
def test_any_losses_give_a_verdict_that_pairs_with_nan_do_not_change(
    told: list[tuple[float, float, str]], margin: float
) -> None:
    ours, theirs = (np.array([one[side] for one in told]) for side in (0, 1))
    groups = [one[2] for one in told]
    found = better(ours, theirs, groups, margin, 3)
    kept = [n for n, one in enumerate(told) if not (math.isnan(one[0]) or math.isnan(one[1]))]
    again = better(ours[kept], theirs[kept], [groups[n] for n in kept], margin, 3)
    assert repr(found) == repr(again)
    assert found.groups == len({groups[n] for n in kept})
    if found.groups:
        assert found.low <= found.high and 0 < found.p <= 1
        assert found.won <= (found.low > margin * found.champion)
