"""When it is an alarm: how many healthy runs that takes, and windows that agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jobmend.classifier.traces.alarms import Criterion, Persistence, Scores

NAN = float("nan")


@pytest.mark.parametrize(("alpha", "runs"), [(0.01, 99), (0.05, 19), (0.5, 1), (0.001, 999)])
def test_an_alarm_needs_so_many_healthy_runs(alpha: float, runs: int) -> None:
    criterion = Criterion(alpha)
    assert criterion.runs_needed == runs
    assert criterion.rings(1 / (runs + 1))
    assert not criterion.rings(1 / runs)
    assert not criterion.rings(NAN)
    assert criterion.words(runs) == f"compared with {runs} healthy runs"
    few = criterion.words(runs - 1, "of its type")
    assert few.startswith(f"compared with {runs - 1} healthy runs of its type: an alarm at ")
    assert f"needs {runs}, with these p is " in few


def test_what_makes_no_sense_is_refused() -> None:
    for alpha in (0.0, 1.0, NAN):
        with pytest.raises(ValueError, match="no share"):
            Criterion(alpha)
    for needed, among in ((0, 1), (3, 2)):
        with pytest.raises(ValueError, match="cannot be odd"):
            Persistence(needed, among)


def test_one_odd_window_is_not_enough() -> None:
    two_of_three = Persistence(2, 3)
    assert two_of_three.statistic(np.array([1.0, 9.0, 1.0, 1.0])) == 1.0
    assert two_of_three.statistic(np.array([1.0, 9.0, 1.0, 8.0])) == 8.0
    assert two_of_three.statistic(np.array([9.0, 1.0, 1.0, 8.0])) == 1.0, "too far apart"
    assert two_of_three.statistic(np.array([9.0, NAN, 8.0])) == 8.0
    assert Persistence(1, 1).statistic(np.array([1.0, 9.0, 1.0])) == 9.0


def test_few_windows_are_asked_all() -> None:
    two_of_three = Persistence(2, 3)
    assert two_of_three.statistic(np.array([7.0])) == 7.0
    assert two_of_three.statistic(np.array([7.0, NAN, NAN, NAN, 5.0])) == 7.0
    assert np.isnan(two_of_three.statistic(np.array([NAN, NAN])))
    assert np.isnan(two_of_three.statistic(np.zeros((0, 4)))).all()
    threads = np.array([[1.0, NAN, 3.0], [2.0, NAN, NAN]])
    np.testing.assert_array_equal(two_of_three.statistic(threads), [1.0, NAN, 3.0])


@given(
    arrays(np.float64, array_shapes(min_dims=1, max_dims=2, max_side=9), elements=st.floats(-9, 9)),
    st.integers(1, 4),
    st.integers(0, 3),
    st.floats(-9, 9),
)
def test_it_exceeds_a_threshold_when_enough_windows_do(
    scores: Scores, needed: int, more: int, threshold: float
) -> None:
    among = needed + more
    found = Persistence(needed, among).statistic(scores)
    if len(scores) < needed:
        assert np.isfinite(found).all()
        return
    over = scores > threshold
    starts = range(-among + 1, len(scores))
    enough = [over[max(begin, 0) : begin + among].sum(axis=0) >= needed for begin in starts]
    np.testing.assert_array_equal(found > threshold, np.any(enough, axis=0))
