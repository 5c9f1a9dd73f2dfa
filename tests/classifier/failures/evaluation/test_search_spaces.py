"""The tables of search spaces fit the arms they are for."""

from __future__ import annotations

import pytest
from optuna.trial import FixedTrial

from jobmend.classifier.failures.arms import catalogue
from jobmend.classifier.failures.evaluation.search_spaces import SPACES, Choice, Real, Whole


@pytest.mark.parametrize("name", SPACES)
def test_every_space_holds_its_arms_defaults(name: str) -> None:
    defaults = catalogue.make(name).get_params()
    assert set(SPACES[name]) <= set(defaults)
    words = {key: limits.word(defaults[key]) for key, limits in SPACES[name].items()}
    assert None not in words.values(), words


@pytest.mark.parametrize("name", SPACES)
def test_every_choice_is_one_that_the_arm_takes(name: str) -> None:
    for key, limits in SPACES[name].items():
        values = limits.values.values() if isinstance(limits, Choice) else (limits.low, limits.high)
        for value in values:
            assert key in catalogue.make(name, **{key: value}).get_params()


def test_words_of_values() -> None:
    choice = Choice({"one": ("a", "b"), "two": "c"})
    assert (choice.word(["a", "b"]), choice.word("c"), choice.word("d")) == ("one", "two", None)
    assert (Real(0.0, 1.0).word(0.5), Real(0.0, 1.0).word(2.0)) == (0.5, None)
    assert (Whole(1, 3).word(3), Whole(1, 3).word(4)) == (3, None)
    assert (Whole(1, 3, usual=2).word(None), Whole(1, 3).word(None)) == (2, None)


def test_draws_are_values() -> None:
    trial = FixedTrial({"blocks": "all", "share": 0.25, "depth": 3})
    assert Choice({"all": ("codes",)}).draw(trial, "blocks") == ("codes",)
    assert Real(0.0, 1.0).draw(trial, "share") == 0.25
    assert Whole(1, 9).draw(trial, "depth") == 3
