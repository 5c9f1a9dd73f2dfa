"""The table of decisions: every row of it, and that the first that holds is taken."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from jobmend.brain.learning.steps.comparing import (
    Contest,
    Decision,
    Pair,
    band_of,
    best_of,
    compare,
    live_of,
)

GROUPS = [f"g{n // 2}" for n in range(40)]
RNG = np.random.default_rng(0)
CHAMPION = 1.0 + 0.1 * RNG.random(40)
BETTER, WORSE = CHAMPION - 0.4, CHAMPION + 0.4
ALIKE = CHAMPION + 0.2 * RNG.normal(0, 1, 40)
BAND = (0.8, 1.2)
VALIDATION = {"pca": 0.6, "autoencoder": 0.5, "variational": math.nan}


def pair(arm: str, losses: object) -> Pair | None:
    return None if losses is None else Pair(arm, CHAMPION, np.asarray(losses), GROUPS)


def decide(
    new: object = None,
    shadow: object = None,
    previous: object = None,
    live: float = 1.0,
    band: tuple[float, float] | None = BAND,
    turns: int = 1,
    won: int = 0,
) -> Decision:
    contest = Contest(
        champion="pca",
        validation=VALIDATION,
        new=pair("autoencoder", new),
        shadow=pair("variational", shadow),
        previous=pair("logistic", previous),
        band=band,
        live=live,
        won=won,
    )
    return compare(contest, 0.02, turns, 0)


CHOICES = {"none": None, "better": BETTER, "worse": WORSE, "alike": ALIKE}
TABLE = list(itertools.product(CHOICES, CHOICES, CHOICES, (1.0, 0.1, 9.0, math.nan)))


@pytest.mark.parametrize(("new", "shadow", "previous", "live"), TABLE)
def test_the_first_row_that_holds_is_taken(
    new: str, shadow: str, previous: str, live: float
) -> None:
    found = decide(CHOICES[new], CHOICES[shadow], CHOICES[previous], live)
    if live > BAND[1] and previous == "better":
        wanted = ("rollback", "logistic", "previous")
    elif shadow == "better":
        wanted = ("promote", "variational", "shadow")
    elif new == "better":
        wanted = ("shadow", "autoencoder", "new")
    else:
        wanted = ("keep", "pca", "champion")
    assert (found.action, found.arm, found.who) == wanted
    beside = wanted[0] == "rollback" and new == "better"
    assert found.beside == ("autoencoder" if beside else "")
    assert found.why and all(math.isfinite(value) for value in found.figures.values())


def test_without_a_champion_the_best_arm_by_validation_is_the_first() -> None:
    found = compare(Contest(validation=VALIDATION), 0.02, 1, 0)
    assert (found.action, found.arm, found.who) == ("first", "autoencoder", "new")
    assert "autoencoder has the least loss" in found.why and "0.5" in found.why


def test_without_a_champion_and_without_an_arm_nothing_is_done() -> None:
    for validation in ({}, {"pca": math.nan}):
        found = compare(Contest(validation=validation), 0.02, 1, 0)
        assert (found.action, found.arm) == ("keep", "")
        assert best_of(validation) == ""


def test_of_equal_arms_the_first_is_the_best() -> None:
    assert best_of({"majority": 0.5, "xgboost": 0.5, "mixture": 0.6}) == "majority"


def test_without_shadow_turns_a_new_arm_is_promoted_at_once() -> None:
    found = decide(new=BETTER, turns=0)
    assert (found.action, found.arm, found.who) == ("promote", "autoencoder", "new")


def test_without_shadow_turns_a_rollback_stands_alone() -> None:
    found = decide(new=BETTER, previous=BETTER, live=9.0, turns=0)
    assert (found.action, found.beside) == ("rollback", "")


def test_a_shadow_wins_as_often_as_is_wanted() -> None:
    found = decide(shadow=BETTER, turns=3, won=1)
    assert (found.action, found.who) == ("shadow", "shadow") and "2 of 3" in found.why
    assert decide(shadow=BETTER, turns=3, won=2).action == "promote"
    assert decide(shadow=ALIKE, new=BETTER, turns=3, won=2).who == "new"


def test_a_champion_that_cannot_judge_gives_way() -> None:
    blind = Pair("pca", np.full(40, np.nan), BETTER, GROUPS)
    found = compare(Contest("old", new=blind), 0.02, 1, 0)
    assert (found.action, found.arm, found.who) == ("promote", "pca", "new")
    neither = Pair("pca", np.full(40, np.nan), np.full(40, np.nan), GROUPS)
    assert compare(Contest("old", new=neither), 0.02, 1, 0).action == "keep"


def test_without_a_band_nothing_is_rolled_back() -> None:
    for band in (None, (math.nan, math.nan)):
        assert decide(previous=BETTER, live=9.0, band=band).action == "keep"


def test_where_the_one_before_errs_as_well_nothing_is_rolled_back() -> None:
    both = Pair("logistic", 9 * CHAMPION, 8 * CHAMPION, GROUPS)
    contest = Contest("pca", previous=both, band=BAND, live=9.0)
    assert compare(contest, 0.02, 1, 0).action == "keep"


def test_what_is_kept_says_what_was_missing() -> None:
    found = decide(new=ALIKE, shadow=WORSE)
    assert "variational in shadow is not surely better" in found.why
    assert "autoencoder is not surely better" in found.why and "20 groups" in found.why
    few = compare(
        Contest("pca", new=Pair("mean", CHAMPION[:14], BETTER[:14], GROUPS[:14])), 0, 1, 0
    )
    assert few.why == "the champion stays: mean has met 7 groups, too few: 8 are wanted"
    assert decide().why == "the champion stays: there is no challenger"
    assert found.figures["shadow gain"] < 0 and found.figures["shadow groups"] == 20


def test_the_band_is_around_the_mean_that_was_held_out() -> None:
    mean = live_of(CHAMPION, GROUPS, 0)
    low, high = band_of(CHAMPION, GROUPS, 3.0, 0)
    assert low < mean.low < mean.value < mean.high < high
    assert high - mean.value == pytest.approx(3 * (mean.high - mean.value))
    assert low <= live_of(RNG.permutation(CHAMPION), GROUPS, 1).value <= high
    assert live_of(WORSE, GROUPS, 0).value > high
    assert all(map(math.isnan, band_of(np.full(40, np.nan), GROUPS, 3.0, 0)))
