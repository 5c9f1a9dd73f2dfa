"""How often to learn: what is trained when, and that a younger model errs less after a change."""

from __future__ import annotations

import pytest

from jobmend.brain.learning.cadence.study import (
    CADENCES,
    FIRST_DAY,
    NEVER,
    FailureLearner,
    Kept,
    TraceLearner,
    keep,
)
from jobmend.brain.learning.simulated.scenario import DAY_SECONDS, Scenario

SMALL = Scenario(days=8, change=6, new_type=9, poison=0, runs=60, tasks=60)


class Counting:
    """Trains nothing; the error is how many days the model is behind."""

    def __init__(self) -> None:
        self.read: list[tuple[float, float]] = []

    def train(self, since: float, until: float) -> float:
        self.read.append((since, until))
        return until

    def error(self, model: float, day: int) -> float:
        return day - (SMALL.day_of(model + 1) - 1)


def kept(every: float) -> tuple[Kept, Counting]:
    learner = Counting()
    return keep(SMALL, learner, every, lambda *_: None), learner


def test_each_cadence_trains_when_it_is_due_on_what_was_told_before() -> None:
    trainings = {name: kept(every)[0].trainings for name, every in CADENCES.items()}
    assert trainings == {"never": 1, "weekly": 1, "daily": 5, "hourly": 120}
    for since, until in kept(DAY_SECONDS)[1].read:
        assert until - since == 5 * DAY_SECONDS and until >= SMALL.begins(FIRST_DAY)


def test_age_and_error_grow_where_nobody_learns() -> None:
    never, daily = kept(NEVER)[0], kept(DAY_SECONDS)[0]
    assert never.errors == (1, 2, 3, 4, 5) and daily.errors == (1, 1, 1, 1, 1)
    assert (never.age, daily.age) == pytest.approx((2.5, 0.5))
    assert kept(3600.0)[0].age == pytest.approx(0.5 / 24)
    assert never.error == 3


def test_after_the_change_a_day_old_model_errs_less_than_one_that_stays() -> None:
    failures = FailureLearner(SMALL)
    stays, daily = (keep(SMALL, failures, every, lambda *_: None) for every in (NEVER, DAY_SECONDS))
    assert stays.errors[0] == daily.errors[0]
    assert daily.errors[-1] < stays.errors[-1]


def test_traces_are_learned_from_runs_that_ended_well() -> None:
    found = keep(SMALL, TraceLearner(SMALL), DAY_SECONDS, lambda *_: None)
    assert all(0 <= error < 0.5 for error in found.errors) and found.cpu_seconds > 0
