"""One question for node and brain: was a job seen by hook and cgroup and accounting?"""

from __future__ import annotations

from jobmend.plugins.doctor.findings import Level
from jobmend.plugins.doctor.seen import Seen, judge

WHOLE = Seen("job 1", True, True, True)


def test_a_job_that_all_three_saw_is_good() -> None:
    found = judge([WHOLE, WHOLE], "here")
    assert (found.level, found.text) == (
        Level.GOOD,
        "2 ended here, each seen by hook and cgroup and accounting",
    )


def test_no_job_is_a_note() -> None:
    assert judge([], "here").text == "no job ended here"


def test_who_saw_none_is_bad_and_who_missed_some_is_a_note() -> None:
    no_hook = Seen("job 2", False, True, True)
    found = judge([no_hook, no_hook], "here")
    assert found.level is Level.BAD
    assert found.text == "of 2 that ended here none was seen by hook, such as job 2"
    assert "hooks' checks" in found.cure
    found = judge([WHOLE, no_hook, Seen("job 3", True, False, True)], "here")
    assert found.level is Level.NOTE
    assert "1 not by hook, such as job 2; 1 not by cgroup, such as job 3" in found.text


def test_what_is_not_known_yet_is_not_held_against_anybody() -> None:
    found = judge([WHOLE, Seen("job 2", True, True, None)], "here")
    assert found.level is Level.GOOD
    found = judge([Seen("job 2", True, True, None)], "here")
    assert (found.level, "not asked: accounting" in found.text) == (Level.NOTE, True)
