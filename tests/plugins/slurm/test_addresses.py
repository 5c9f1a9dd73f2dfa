"""Names of jobs and lists of them, as Slurm's commands take them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.plugins.slurm.addresses import expand, join, numbers, parse

NUMBERS = st.integers(0, 10**10 - 1)
SINGLE = st.one_of(
    NUMBERS.map(str), st.tuples(st.integers(1, 5), NUMBERS).map(lambda pair: f"{pair[0]}_{pair[1]}")
)


@pytest.mark.parametrize(
    ("singles", "jobs"),
    [
        (["42"], "42"),
        (["40_2"], "40_2"),
        (["40_5", "40_2", "40_4", "42", "40_6", "7"], "7,40_[2,4-6],42"),
        (["40", "40_1"], "40,40_1"),
    ],
)
def test_many_jobs_are_one_list(singles: list[str], jobs: str) -> None:
    assert join(singles) == jobs
    assert parse(jobs) == sorted(singles, key=numbers)


@given(st.sets(SINGLE, min_size=1, max_size=40))
def test_a_list_names_the_jobs_it_was_made_of(singles: set[str]) -> None:
    assert parse(join(singles)) == sorted(singles, key=numbers)


def test_an_array_that_waits_is_all_its_tasks() -> None:
    assert expand("18_[1-3,7%2]") == ["18_1", "18_2", "18_3", "18_7"]
    assert expand("18_4") == ["18_4"] and expand("18") == ["18"]


@pytest.mark.parametrize(
    "text",
    ["", "-1", "4\n", "40+1", "٤", "40_[3-1]", "40_[1-9", "40_[1;id]", "40_[]", "40_[1-999999]"],
)
def test_what_names_no_job_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="names no job|counts backwards|more than 100000 tasks"):
        expand(text)
    with pytest.raises(ValueError, match="job|backwards|tasks"):
        parse(f"7,{text}")


@given(st.text(max_size=20))
def test_no_text_gets_through_that_is_no_list_of_numbers(text: str) -> None:
    try:
        addresses = parse(text)
    except ValueError:
        return
    assert set(join(addresses)) <= set("0123456789_[],-")
