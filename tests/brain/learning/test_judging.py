"""Judging a period: chance is let through, what is new and what cannot be believed is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain.learning.vetting.judging import Judgement, Limits, judge

LIMITS = Limits()


def judged(
    novelty: np.ndarray,
    suspicion: np.ndarray | None = None,
    kinds: list[str] | None = None,
    groups: list[str] | None = None,
    compared: float = 1e6,
) -> Judgement:
    n = len(novelty)
    return judge(
        novelty,
        np.full(n, np.nan) if suspicion is None else suspicion,
        np.full(n, compared),
        kinds or ["w"] * n,
        groups or [str(number) for number in range(n)],
        LIMITS,
    )


def test_chance_alone_sets_hardly_anything_apart_and_never_a_period() -> None:
    chance = np.random.default_rng(0)
    days = [judged(chance.random(500), chance.random(500)) for _ in range(300)]
    assert not any(day.whole for day in days)
    assert sum(bool(day.novel) for day in days) <= 300 * 0.05 * 1.5


@pytest.mark.parametrize("known", [16, 48, 120, 1000])
@pytest.mark.parametrize("new", [30, 300, 2000])
def test_examples_like_those_known_are_let_through_however_few_these_are(
    known: int, new: int
) -> None:
    """All are compared with the same known ones, which may happen to be tame."""
    chance = np.random.default_rng(known)
    apart = 0
    for _ in range(300):
        ordered = np.sort(chance.normal(size=known))
        at_least = known - np.searchsorted(ordered, chance.normal(size=new))
        day = judged((1 + at_least) / (known + 1), compared=known)
        assert not day.whole
        apart += bool(day.novel)
    assert apart <= 300 * 0.05 * 1.7


def test_few_known_examples_are_enough_to_see_what_is_odder_than_all() -> None:
    foreign = np.full(40, 1 / 51)
    assert judged(foreign, compared=50).whole and not judged(foreign, compared=60).whole
    few = np.concatenate([np.full(6, 1 / 51), np.full(94, 0.5)])
    assert judged(few, kinds=["new"] * 6 + ["old"] * 94, compared=50).novel == tuple(range(6))
    assert judged(np.array([1 / 6]), compared=5).novel == ()
    assert not judged(np.ones(50), compared=0).whole


def test_a_new_kind_is_set_apart_among_many_known_examples() -> None:
    chance = np.random.default_rng(0)
    novelty = np.concatenate([chance.uniform(0.02, 1, 900), np.full(50, 0.002)])
    day = judged(novelty, kinds=["old"] * 900 + ["new"] * 50)
    assert day.novel == tuple(range(900, 950))
    assert not day.whole
    assert judged(np.array([0.005]), kinds=["lone"]).novel == (0,)


def test_a_period_that_is_new_for_the_most_part_is_set_apart_as_a_whole() -> None:
    day = judged(np.concatenate([np.full(40, 0.001), np.full(60, 0.5)]))
    assert day.whole
    assert day.why.startswith("40% of 100 examples are unlike all that the champion learned from")
    assert not judged(np.concatenate([np.full(12, 0.001), np.full(88, 0.5)])).whole
    assert not judged(np.array([0.001, 0.5])).whole, "one of two is no proof"


def test_what_is_somewhat_new_and_somewhat_contrary_is_set_apart_as_well() -> None:
    """A champion may see but a part of what is false, as odd or as contrary."""
    few = np.concatenate([np.full(12, 0.001), np.full(88, 0.5)])
    some = np.concatenate([np.full(8, 0.01), np.full(92, 0.5)])
    assert not judged(few).whole and not judged(np.full(100, 0.5), some).whole
    day = judged(few, some)
    assert day.whole
    assert "12% of 100 examples" in day.why and "8 of 100 runs or workflows" in day.why
    assert not judged(few[4:], some[4:]).whole, "8 and 4 % are not enough"


def test_limits_may_be_switched_off_or_let_nothing_pass() -> None:
    day = (np.full(100, 0.001), np.full(100, 0.5), np.full(100, 1e6), ["w"] * 100, ["g"] * 100)
    assert not judge(*day, Limits(novel_share=1)).whole
    assert not judge(*day, Limits(novel_p=0)).whole
    one = (np.array([1e-6] * 3 + [0.5] * 97), *day[1:])
    assert judge(*one, Limits(novel_p=1e-5, novel_share=0)).whole
    assert not judge(*one, Limits(novel_p=1e-5)).whole


@pytest.mark.parametrize(("runs", "whole"), [(40, True), (4, False)])
def test_truths_that_contradict_condemn_by_the_run_not_by_the_window(
    runs: int, whole: bool
) -> None:
    """A third of the runs is said to be other than it is, each told in ten windows."""
    groups = [str(window // 10) for window in range(runs * 10)]
    wrong = np.array([int(group) % 3 == 0 for group in groups])
    day = judged(np.full(len(groups), 0.5), np.where(wrong, 0.005, 0.6), groups=groups)
    assert day.whole is whole
    assert day.suspect_share == pytest.approx(1 / 3, abs=0.2)
    assert ("contradicts what the champion is sure of" in day.why) is whole


def test_what_was_not_judged_speaks_for_nothing() -> None:
    nothing = np.full(50, np.nan)
    assert judged(nothing, nothing) == Judgement((), False, "", 0.0, 0.0)
    assert judged(np.empty(0), np.empty(0)) == Judgement((), False, "", 0.0, 0.0)


P_VALUES = st.lists(
    st.tuples(
        st.floats(0, 1) | st.just(np.nan), st.floats(0, 1) | st.just(np.nan), st.sampled_from("ab")
    ),
    max_size=40,
)


@given(P_VALUES)
def test_any_p_values_can_be_judged(rows: list[tuple[float, float, str]]) -> None:
    novelty, suspicion = (np.array([row[column] for row in rows], float) for column in (0, 1))
    kinds = [row[2] for row in rows]
    day = judge(novelty, suspicion, np.full(len(rows), 1e6), kinds, kinds, LIMITS)
    assert all(novelty[place] <= LIMITS.novel_p for place in day.novel)
    assert 0 <= day.odd_share <= 1
    assert bool(day.why) == day.whole
