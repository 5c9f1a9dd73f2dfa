"""What a simulation comes to: when an error is back, and the picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import pytest
from PIL import Image

from jobmend.brain.learning.simulated import picture
from jobmend.brain.learning.simulated.outcome import Day, Simulated, poisoned_day, recovery
from jobmend.brain.learning.simulated.scenario import Scenario

SCENARIO = Scenario(days=10, change=5, new_type=9, poison=7)


def history(
    learning: Sequence[float], frozen: Sequence[float], states: Sequence[str] = ()
) -> Simulated:
    """Errors from the third day on."""
    told = [None, None, *learning], [None, None, *frozen]
    days = tuple(
        Day("traces", day, 1, "pca", a, b, (states or ["kept"] * 10)[day - 1], "", 0, 1.0)
        for day, (a, b) in enumerate(zip(*told, strict=True), start=1)
    )
    return Simulated(SCENARIO, 2, days, ())


USUAL, COST = [0.1, 0.1], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("after", "turns"),
    [
        ([0.5, 0.5, 0.1, 0.1, 0.9, 0.9], 2),  # the new type comes on day 9
        ([0.5, 0.19, 0.19, 0.19, 0.5, 0.5], 1),  # less than a quarter of 0.4 is left
        ([0.5, 0.1, 0.5, 0.1, 0.1, 0.1], 3),  # back for good
        ([0.1, 0.1, 0.1, 0.1, 0.5, 0.5], 0),
        ([0.5, 0.21, 0.21, 0.21, 0.1, 0.1], None),
    ],
)
def test_an_error_is_back_when_three_quarters_of_the_cost_are_gone(
    after: list[float], turns: int | None
) -> None:
    found = recovery(history([*USUAL, *after], [*USUAL, *COST]), "traces")
    assert found is not None
    assert found.turns == turns and not found.frozen_recovers
    assert (found.before, found.frozen) == pytest.approx((0.1, 0.5))
    assert (found.after is None) is (turns is None)


def test_a_model_that_stays_may_recover_by_itself() -> None:
    found = recovery(history([0.1] * 8, [*USUAL, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]), "traces")
    assert found is not None and found.frozen_recovers


def test_nothing_is_said_of_too_short_a_history() -> None:
    assert recovery(Simulated(SCENARIO, 2, (), ()), "traces") is None


def test_the_poisoned_days_turn_is_told() -> None:
    states = ["kept"] * 6 + ["quarantined"] + ["kept"] * 3
    told = history([*USUAL, *COST], [*USUAL, *COST], states)
    assert poisoned_day(told) == {"traces": "quarantined"}


def test_the_picture_is_drawn_for_pages_and_for_terminals() -> None:
    states = ["", "promoted", *["kept"] * 4, "quarantined", *["shadow"] * 3]
    told = history([*USUAL, *COST], [*USUAL, *COST], states)
    assert Image.open(BytesIO(picture.png(told))).size[0] > 500
    drawn = picture.svg(told)
    assert drawn == picture.svg(told) and b"<svg" in drawn
    lines = picture.lines(told)
    assert lines[1].endswith("  ▁▁██████")
    assert lines[3].endswith(" *....qsss")
    assert lines[4].endswith("    c p n ")
    assert all(len(line) < 100 for line in lines)


def test_days_without_a_model_say_so() -> None:
    told = history([], [], ["", "promoted"])
    said = picture.lines(told)[0]
    assert "no model was in use" in said and "0 to 1" not in said
    assert Image.open(BytesIO(picture.png(told))).size[0] > 500


def test_an_error_that_never_changes_is_drawn_too() -> None:
    assert picture.lines(history([0.1] * 8, [0.1] * 8))[1].endswith("  ▁▁▁▁▁▁▁▁")
