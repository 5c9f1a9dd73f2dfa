"""How often it pays to learn: costs against growing errors, and what a store's turns tell of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain.cli.program import main
from jobmend.brain.learning import turns
from jobmend.brain.learning.cadence.plan import plan
from jobmend.brain.learning.cadence.staleness import (
    DAY,
    LONGEST,
    SHORTEST,
    Aged,
    best_interval,
    growth,
    offers,
)
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.models import champions
from jobmend.brain.store import Store

COSTS = st.floats(1e-3, 1e6)


def line(noise: float = 0.0, days: int = 30) -> list[Aged]:
    rng = np.random.default_rng(0)
    return [Aged(day * DAY, 0.1 + 0.02 * day + noise * rng.normal()) for day in range(days)]


def test_the_growth_of_a_line_is_found() -> None:
    found = growth(line())
    assert (found.fresh, found.a_day, found.points) == pytest.approx((0.1, 0.02, 30))
    noisy = growth(line(0.05))
    assert noisy.low < 0.02 < noisy.high and noisy.low < noisy.a_day < noisy.high


def test_one_wild_day_hardly_bends_it() -> None:
    assert growth([*line(), Aged(10 * DAY, 50.0)]).a_day == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    "points",
    [
        [],
        line(days=4),
        [Aged(0.0, 0.1), Aged(DAY, 0.2)] * 5,  # two ages only
        [Aged(day * DAY, math.nan) for day in range(10)],
    ],
)
def test_too_few_turns_are_told(points: list[Aged]) -> None:
    with pytest.raises(ValueError, match="wait for more turns"):
        growth(points)


@given(COSTS, st.floats(1e-6, 10), st.floats(1, 1e7))
def test_no_interval_costs_less_than_the_best(cost: float, a_day: float, worth: float) -> None:
    def a_day_of(seconds: float) -> float:
        return cost * DAY / seconds + worth * a_day * seconds / DAY / 2

    best = best_interval(cost, a_day, worth)
    assert SHORTEST <= best <= LONGEST
    for other in (best * 0.9, best * 1.1, SHORTEST, LONGEST):
        if SHORTEST <= other <= LONGEST:
            assert a_day_of(best) <= a_day_of(other) * (1 + 1e-9)


def test_a_loss_that_does_not_grow_never_pays() -> None:
    assert best_interval(10.0, 0.0, 1e6) == best_interval(10.0, -1.0, 1e6) == LONGEST


def test_the_offers_trade_time_for_error() -> None:
    told = offers(100.0, growth(line()), 6e4)
    assert [one.loss for one in told] == sorted(one.loss for one in told)
    assert [one.cpu for one in told] == sorted((one.cpu for one in told), reverse=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "brain.db")


def turned(store: Store, day: int, before: int, loss: float | None, **steps: float) -> None:
    now, id = day * DAY, f"turn-{day}"
    body = {"before": before, "after": before, "losses": {"champion": loss} if loss else {}}
    with store.write() as db:
        turns.begin(db, TurnRecord(id, "traces", now, None, TurnState.RUNNING))
        for place, (step, seconds) in enumerate(steps.items()):
            cost = {"cpu_seconds": 2 * seconds}
            turns.note_step(db, id, step, now + place, seconds, cost)
        turns.end(db, id, TurnState.KEPT, now + 60, body)


def crowned(store: Store, day: int) -> None:
    with store.write() as db:
        champions.add(
            db, "traces", digest=f"{day}", turn=f"turn-{day}", now=day * DAY, why="", body={}
        )


def test_a_plan_is_made_of_the_stores_turns(store: Store) -> None:
    turned(store, 0, 0, None, gather=1.0, train=10.0)
    crowned(store, 0)
    for day in range(1, 9):
        turned(store, day, 1, 0.1 + 0.01 * day, gather=1.0, train=10.0)
    turned(store, 9, 1, None, gather=1.0)  # quarantined: nothing was trained
    told = plan(store, "traces")
    assert (told.turns, told.seconds, told.cpu_seconds) == (9, 11.0, 22.0)
    assert told.steps == {"gather": 1.0, "train": 10.0}
    assert told.growth is not None and told.growth.a_day == pytest.approx(0.01)
    assert told.every == pytest.approx(DAY * math.sqrt(2 * 22.0 / (6e4 * 0.01)))
    assert told.low and told.every and told.high
    assert told.low <= told.every <= told.high
    assert "grows by 0.01 a day" in told.why


def test_a_champion_that_was_restored_is_as_old_as_its_model(store: Store) -> None:
    crowned(store, 0)
    crowned(store, 4)
    with store.write() as db:
        champions.add(db, "traces", digest="0", turn="", now=5 * DAY, why="", body={"restores": 1})
    for day in range(1, 9):
        turned(store, day, 3, 0.1 + 0.01 * day, gather=1.0, train=10.0)
    told = plan(store, "traces").growth
    assert told is not None and told.fresh == pytest.approx(0.1) and told.points == 8


def test_a_young_store_says_what_is_missing(store: Store) -> None:
    assert "no turn has trained" in plan(store, "traces").why
    turned(store, 0, 0, None, gather=1.0, train=10.0)
    told = plan(store, "traces")
    assert told.every is None and told.seconds == 11.0 and "wait for more turns" in told.why


def test_the_command_says_it_for_people_and_machines(store: Store, tmp_path: Path) -> None:
    crowned(store, 0)
    for day in range(1, 9):
        turned(store, day, 1, 0.1 + 0.01 * day, gather=1.0, train=10.0)
    config = tmp_path / "brain.toml"
    config.write_text(f'[store]\npath = "{tmp_path}/brain.db"\nmodels = "{tmp_path}/models"\n')
    words = ["learn", "--plan", "--config", str(config)]
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 0 and "6.5 h" in told.stdout and "traces" in told.stdout
    found = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert [one["subject"] for one in found] == ["traces", "failures"]
    assert found[0]["every"] == pytest.approx(23399, rel=1e-3) and found[1]["every"] is None
