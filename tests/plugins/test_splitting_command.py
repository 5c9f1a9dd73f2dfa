"""The site's command: what is filled into it, and what it may print."""

from __future__ import annotations

import re

import pytest

from jobmend.plugins.scheduler import Refused, SchedulerError
from jobmend.plugins.splitting_command import MAX_PARTS, filled, submit

ID = re.compile(r"[0-9]{1,10}")


def test_all_places_are_filled_and_nothing_else() -> None:
    command = ("split", "{address}", "--parts={splitting}", "{user}", "{other}")
    assert filled(command, "12_3", 4, "ann") == ("split", "12_3", "--parts=4", "ann", "{other}")


@pytest.mark.parametrize("parts", [0, -1, MAX_PARTS + 1])
def test_a_number_of_parts_has_bounds(parts: int) -> None:
    with pytest.raises(Refused, match=f"{parts} is no number of parts from 1 to {MAX_PARTS}"):
        filled(("split",), "12", parts, "ann")


@pytest.mark.parametrize("user", ["", "ann;id", "-x", "a b", "a\n"])
def test_a_user_has_a_name(user: str) -> None:
    with pytest.raises(Refused, match="job 12: .* is no name of a user"):
        filled(("split",), "12", 2, user)


def test_ids_are_read_a_line_each() -> None:
    assert submit(["printf", "7\n8\n"], ID, "12", None) == ["7", "8"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [("7\nno\x1b[2J\n", "'no"), ("", "'0 words'"), ("7 " * 1001, "'1001 words'")],
)
def test_anything_else_is_said_with_the_program_that_printed_it(printed: str, shown: str) -> None:
    sentence = f"^printf printed {re.escape(shown)}.* such as 12, are wanted"
    with pytest.raises(SchedulerError, match=sentence) as told:
        submit(["env", "A=b", "printf", "%s", printed], ID, "12", {"PATH": "/usr/bin:/bin"})
    assert "\x1b" not in str(told.value)
