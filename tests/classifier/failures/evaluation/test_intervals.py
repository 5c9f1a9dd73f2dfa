"""Intervals: they hold what they promise, and say when they cannot be had."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from jobmend.classifier.failures.evaluation.intervals import (
    Interval,
    mean_over_tasks,
    over_folds,
    over_tasks,
)
from jobmend.classifier.failures.evaluation.splits import Indices


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.1, 0.3, 0.2, 0.4]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    found = over_folds(values)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(0.25)
    assert found.count == 4


def test_folds_that_share_their_tasks_are_less_sure() -> None:
    values = [0.1, 0.3, 0.2, 0.4]
    apart, shared = over_folds(values), over_folds(values, test_share=0.25)
    assert shared.high - shared.low == pytest.approx((apart.high - apart.low) * math.sqrt(2.0))


@pytest.mark.parametrize(("values", "mean"), [([0.5], 0.5), ([0.5, math.nan], 0.5)])
def test_one_value_has_no_interval(values: list[float], mean: float) -> None:
    found = over_folds(values)
    assert found.mean == mean
    assert math.isnan(found.low)
    assert str(found) == "0.500"


def test_no_value_is_nan() -> None:
    found = over_folds([math.nan])
    assert math.isnan(found.mean)
    assert found.count == 0


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, size=1000)
    found = mean_over_tasks(values, np.arange(1000))
    half = 1.96 * values.std() / math.sqrt(1000)
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_tasks_of_one_workflow_count_as_one() -> None:
    rng = np.random.default_rng(1)
    per_workflow = rng.normal(size=100)
    values = np.repeat(per_workflow, 10)
    apart = mean_over_tasks(values, np.arange(1000))
    together = mean_over_tasks(values, np.repeat(np.arange(100), 10))
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(2).random(50)
    assert mean_over_tasks(values, np.arange(50)) == mean_over_tasks(values, np.arange(50))


def test_any_statistics_can_be_drawn() -> None:
    values = np.random.default_rng(3).normal(5.0, 1.0, size=300)

    def statistics(places: Indices) -> tuple[float, float]:
        return float(np.median(values[places])), float(values[places].max())

    median, largest = over_tasks(statistics, np.arange(300))
    assert median.low < float(np.median(values)) < median.high
    assert 0.1 < median.high - median.low < 0.6
    assert largest.mean == largest.high == values.max()


def test_a_statistic_that_mostly_fails_has_no_interval() -> None:
    (found,) = over_tasks(lambda p: [1.0 if len(set(p)) == 20 else math.nan], np.arange(20))
    assert (found.mean, found.count) == (1.0, 20)
    assert math.isnan(found.low) and math.isnan(found.high)


def test_an_interval_is_told_in_one_line() -> None:
    assert str(Interval(0.12345, 0.1, 0.15)) == "0.123 [0.100, 0.150]"


def test_for_json_what_is_unknown_is_null() -> None:
    assert Interval(0.5).row() == [0.5, None, None]
    assert Interval(0.12345678, 0.1, 0.2).row() == [0.123457, 0.1, 0.2]
