"""Mixes of synthetic records: what comes, how it shows, what is done about it."""

from __future__ import annotations

from collections import Counter

import pytest

from jobmend.classifier.failures.synthetic.record_mixes import (
    CHANGED,
    EXTENDED,
    LICENCE,
    UNDECIDED,
    USUAL,
    Mix,
)
from jobmend.classifier.failures.synthetic.records import generate


def actions(mix: Mix, cause: str) -> Counter[str]:
    return Counter(one.action.value for one in generate(600, seed=0, mix=mix) if one.cause == cause)


@pytest.mark.parametrize("mix", [USUAL, UNDECIDED, CHANGED, EXTENDED])
def test_every_cause_that_comes_can_be_drawn(mix: Mix) -> None:
    assert {one.cause for one in generate(600, seed=1, mix=mix)} == set(mix.shares)
    assert set(mix.shares) <= set(mix.symptoms) & set(mix.failing) & set(mix.policy)


def test_the_usual_mix_is_drawn_where_none_is_named() -> None:
    assert generate(30, seed=2) == generate(30, seed=2, mix=USUAL)


def test_operators_change_their_minds() -> None:
    before, after = actions(UNDECIDED, "memory"), actions(CHANGED, "memory")
    assert before["clone"] > 0
    assert after["clone"] / after.total() > 1.5 * before["clone"] / before.total()


def test_a_lost_licence_has_a_code_that_nothing_else_has() -> None:
    codes = {
        run.exit.code
        for one in generate(600, seed=3, mix=EXTENDED)
        if one.cause != LICENCE
        for run in one.record.failed
        if run.exit
    }
    assert 87 not in codes


def test_numbers_go_on_from_the_first() -> None:
    names = [one.record.workflow.name for one in generate(2, seed=4, first=700)]
    assert names == ["wf-700", "wf-701"]
