"""ULIDs, sizes, times, settings, process identity."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.plugins.local.process import ProcessId, identify, lives, parse_start
from jobmend.plugins.local.quantities import parse_size, parse_time, show_size
from jobmend.plugins.local.settings import read_settings
from jobmend.plugins.local.ulid import is_ulid, new_ulid


def test_ulid_is_written_as_the_specification_says() -> None:
    # The specification's own example of a time, in milliseconds, and its ten characters.
    ulid = new_ulid(1469918176.385)
    assert ulid.startswith("01ARYZ6S41")
    assert len(ulid) == 26 and is_ulid(ulid)


def test_ulids_sort_by_time_and_differ() -> None:
    made = [new_ulid(second) for second in range(1, 2000)]
    assert made == sorted(made)
    assert len({new_ulid(7.0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "x" * 26, "01ARZ3NDEKTSV4RRFFQ69G5FA", "8" + "0" * 25, "../.."]
)
def test_what_is_no_ulid(text: str) -> None:
    assert not is_ulid(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("300M", 300 << 20), ("2G", 2 << 30), ("1.5g", 3 << 29), ("4096", 4096), ("1KiB", 1024)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(show_size(size).removesuffix(" bytes")) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("5:00", 300), ("1:30:00", 5400), ("0.5", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1e9", "nan", "inf", "٣", "5M5", "1:2:3:4", " 1"])
def test_what_is_neither(text: str) -> None:
    for parse in (parse_size, parse_time):
        with pytest.raises(ValueError, match="write it as"):
            parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_a_clear_error(text: str) -> None:
    for parse in (parse_size, parse_time):
        try:
            assert parse(text) > 0
        except ValueError as error:
            assert "write it as" in str(error)


def test_settings_come_from_arguments_then_environment_then_defaults(tmp_path: Path) -> None:
    environ = {
        "JOBMEND_LOCAL_DIR": "/env",
        "JOBMEND_LOCAL_INSTANCE": "i",
        "JOBMEND_LOCAL_SLOTS": "3",
    }
    settings = read_settings(tmp_path, "c", environ)
    assert (settings.state_dir, settings.cluster, settings.slots) == (tmp_path, "c", 3)
    assert settings.cgroup_parent == "jobmend_i"
    assert read_settings(environ=environ).state_dir == Path("/env")
    assert read_settings(tmp_path, environ={}).cluster == "local"


def test_queues_have_instances_of_their_own(tmp_path: Path) -> None:
    one, two = (read_settings(tmp_path / name, environ={}).instance for name in "ab")
    assert one != two
    assert len(one) == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBMEND_LOCAL_INSTANCE", "../x"),
        ("JOBMEND_LOCAL_SLOTS", "0"),
        ("JOBMEND_LOCAL_SLOTS", "x"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        read_settings(tmp_path, environ={name: value})


def test_a_process_is_known_by_its_start() -> None:
    me = identify(os.getpid())
    assert me is not None and lives(me)
    assert not lives(ProcessId(me.pid, me.start + 1))


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen(["sleep", "60"])
    known = identify(child.pid)
    assert known is not None and lives(known)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(known)
    child.wait()
    assert identify(child.pid) is None


def test_the_command_in_stat_may_hold_anything() -> None:
    stat = b"7 (a) R 1) (b) S 1" + b" 0" * 17 + b" 4242 0 0\n"
    assert parse_start(stat) == 4242
    assert parse_start(stat.replace(b") S 1", b") Z 1")) is None


def test_a_size_is_shown_in_its_largest_whole_unit() -> None:
    assert [show_size(size) for size in (200 << 20, 2 << 30, 1001)] == ["200M", "2G", "1001 bytes"]
