from __future__ import annotations

import logging
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmend.brain.sources import columns, compaction, partitions
from jobmend.brain.sources.archive import Archive
from jobmend.jobs.windows import TraceWindow
from tests.brain.sources.windows import DAY, NOON, told, window

EVER = (0.0, NOON + 99 * DAY)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def files(archive: Archive) -> list[Path]:
    return sorted(archive.directory.rglob("*.parquet"))


def test_windows_come_back_oldest_first_whatever_their_shape(archive: Archive) -> None:
    windows = [
        window(NOON + 2 * DAY),
        window(NOON, threads=3),
        window(NOON + 1, steps=1, owner="c1/slurm/ü/0"),
        window(NOON, node="n2"),
        window(NOON + 0.5, features=("a", "b")),
    ]
    assert archive.add(windows, NOON + 3 * DAY) == 5
    assert [path.parent.name for path in files(archive)] == [
        "day=2026-11-21",
        "day=2026-11-21",
        "day=2026-11-23",
    ]
    ordered = sorted(windows, key=lambda one: (one.start, one.key))
    assert told(archive.windows(*EVER)) == told(ordered)
    assert list(archive.windows(NOON, NOON)) == list(Archive(Path("/nowhere")).windows(*EVER)) == []


def test_a_stretch_is_read_without_the_rest(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "ROW_GROUP_ROWS", 5)
    windows = [window(NOON + number) for number in range(100)]
    archive.add([*windows, window(NOON - DAY), window(NOON + DAY)], NOON + 2 * DAY)
    for path in files(archive):  # a day that is not asked for is not even opened
        if path.parent.name != "day=2026-11-21":
            path.write_bytes(b"")
    read: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def noted(self: object, group: int, **more: object) -> object:
        read.append(group)
        return whole(self, group, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    assert told(archive.windows(NOON + 12, NOON + 15)) == told(windows[12:15])
    assert (read, archive.damaged) == ([2], 0)


def test_what_is_told_twice_is_read_once(archive: Archive) -> None:
    windows = [window(NOON + number) for number in range(6)]
    for some in (windows[:4], windows[:4], windows[2:], [windows[1], windows[1]]):
        archive.add(some, NOON)
    assert len(files(archive)) == 3  # the same windows are the same file
    assert told(archive.windows(*EVER)) == told(windows)
    assert sorted(key for frames in archive.frames(*EVER) for key in frames.keys) == sorted(
        one.key for one in windows
    )


def test_frames_hold_the_windows_of_one_shape(archive: Archive) -> None:
    small = [window(NOON + number) for number in range(3)]
    large = [window(NOON + 9, threads=5, owner="c1/slurm/8/0"), window(NOON - DAY, threads=5)]
    archive.add([*small, *large], NOON)
    found = list(archive.frames(*EVER))
    assert [frames.values.shape for frames in found] == [
        (1, 5, 4, 10),
        (3, 2, 4, 10),
        (1, 5, 4, 10),
    ]
    assert all(frames.values.dtype == np.float32 for frames in found)
    assert found[1].owners.tolist() == [[0, -1]] * 3
    assert told(one for frames in found for one in frames) == told([large[1], *small, large[0]])


def test_an_impossible_window_is_left_out(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    good = window(NOON)
    bad = [
        replace(good, start=NOON + 9 * DAY),
        replace(good, start=1e300),
        replace(good, threads=(0, 10**40)),
        replace(good, threads=(0, -1)),
        replace(good, owners=("\ud800", None)),
        replace(good, step_seconds=float("inf")),
        replace(good, values=good.values[:0]),
    ]
    assert archive.add([*bad, good], NOON) == 1
    assert "7 windows have impossible numbers" in caplog.text
    assert told(archive.windows(*EVER)) == told([good])


# ---- damage ------------------------------------------------------------------------------------


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut off":
        del data[len(data) // 2 :]
    elif how == "empty":
        data.clear()
    elif how == "other bytes":
        for place in range(200, 260):
            data[place] ^= 0xFF
    elif how == "another format":
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata({columns.FORMAT_KEY: b"99"}), path)
        return
    elif how == "other columns":
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["owners"]), path)
        return
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "how", ["cut off", "empty", "other bytes", "another format", "other columns"]
)
def test_a_damaged_file_costs_no_other(
    archive: Archive, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    for number in range(3):
        archive.add([window(NOON + number)], NOON)
    broken = files(archive)[1]
    damage(broken, how)
    with caplog.at_level(logging.WARNING):
        assert [one.start for one in archive.windows(*EVER)] == [NOON, NOON + 2]
        assert sum(map(len, archive.frames(*EVER))) == 2
    (said,) = caplog.messages
    assert said.startswith(f"{broken}: cannot be read and is left out: ")
    assert archive.damaged == 1
    broken.unlink()
    assert archive.damaged == 0


def test_a_check_finds_what_is_cut_off(archive: Archive) -> None:
    archive.check()
    for number in range(3):
        archive.add([window(NOON + number)], NOON)
    damage(files(archive)[2], "cut off")
    archive.check()
    archive.check()
    assert archive.damaged == 1


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_found_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    archive = Archive(tmp_path / "archive")
    archive.add([window(NOON + number) for number in range(3)], NOON)
    (path,) = files(archive)
    whole, truth = path.read_bytes(), told(archive.windows(*EVER))
    try:
        place = data.draw(st.integers(4, len(whole) - 9))  # not the length of the footer
        mask = data.draw(st.integers(1, 255))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
        found = told(archive.windows(*EVER))
        in_pages = place < len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
        assert archive.damaged or not in_pages or set(found) <= set(truth)
    finally:
        path.unlink()


# ---- keeping house -----------------------------------------------------------------------------


def test_compaction_joins_a_days_many_files(archive: Archive) -> None:
    windows = [window(NOON + number, threads=1 + number % 3) for number in range(40)]
    shuffled = random.Random(1).sample(windows, 40)
    for number in range(0, 40, 2):
        archive.add(shuffled[number : number + 3], NOON)  # every other one twice
    archive.add([window(NOON, features=("a",))], NOON)
    archive.add([window(NOON + DAY)], NOON + DAY)
    before = told(archive.windows(*EVER))
    assert archive.compact() == 20
    assert len(files(archive)) == 3
    assert told(archive.windows(*EVER)) == before
    assert sum(map(len, archive.frames(*EVER))) == 42
    assert archive.compact() == 0


def test_compaction_cut_off_before_it_removes_doubles_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = [window(NOON + number) for number in range(compaction.FILES)]
    for one in windows:
        archive.add([one], NOON)
    with monkeypatch.context() as killed:
        killed.setattr(partitions, "remove", lambda *_: None)
        archive.compact()
    assert len(files(archive)) == compaction.FILES + 1
    assert told(archive.windows(*EVER)) == told(windows)
    archive.compact()
    assert len(files(archive)) == 1
    assert told(archive.windows(*EVER)) == told(windows)


def test_compaction_leaves_a_damaged_file_where_it_is(archive: Archive) -> None:
    for number in range(compaction.FILES + 1):
        archive.add([window(NOON + number)], NOON)
    damage(files(archive)[3], "other bytes")
    assert (archive.compact(), archive.damaged) == (0, 1)
    assert (archive.compact(), len(files(archive))) == (compaction.FILES, 2)
    assert len(list(archive.windows(*EVER))) == compaction.FILES


def test_a_reader_sees_all_windows_while_files_are_joined(archive: Archive) -> None:
    windows = [window(NOON + number) for number in range(20)]
    for one in windows:
        archive.add([one], NOON)
    reading = archive.windows(*EVER)
    first = next(reading)
    assert Archive(archive.directory).compact() == 20
    assert told([first, *reading]) == told(windows)


def test_old_days_go_and_then_the_oldest_files(archive: Archive) -> None:
    for number in range(10):
        archive.add([window(NOON + number * DAY)], NOON + 10 * DAY)
    assert archive.prune(5, 1e9, NOON + 9.9 * DAY) == 5
    assert [one.start for one in archive.windows(*EVER)] == [NOON + n * DAY for n in range(5, 10)]
    assert len(list(archive.directory.iterdir())) == 5
    one = partitions.size(files(archive)[0])
    assert archive.size() == 5 * one
    assert archive.prune(5, 2.5 * one, NOON + 9.9 * DAY) == 3
    assert [one.start for one in archive.windows(*EVER)] == [NOON + 8 * DAY, NOON + 9 * DAY]


def test_what_a_killed_writer_left_is_not_read_and_goes(archive: Archive) -> None:
    archive.add([window(NOON)], NOON)
    left = files(archive)[0].with_name(".part-1-ab.parquet.77")
    left.write_bytes(b"half")
    assert len(list(archive.windows(*EVER))) == 1
    archive.prune(9, 1e9, NOON)
    assert left.exists()  # it may be being written
    os.utime(left, (time.time() - 7200,) * 2)
    archive.prune(9, 1e9, NOON)
    assert not left.exists()


def test_a_write_that_fails_leaves_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        archive.add([window(NOON)], NOON)
    assert [path for path in archive.directory.rglob("*") if path.is_file()] == []


def test_other_names_in_the_folder_are_not_touched(archive: Archive) -> None:
    archive.add([window(NOON)], NOON)
    for name in ("day=2026-02-31", "day=2026-11-21x", "lost+found"):
        (archive.directory / name).mkdir()
    (files(archive)[0].parent / "notes.parquet").write_text("mine")
    assert len(list(archive.windows(*EVER))) == 1
    archive.prune(1, 0, NOON + 9 * DAY)
    assert sorted(path.name for path in archive.directory.rglob("*")) == [
        "day=2026-02-31",
        "day=2026-11-21",
        "day=2026-11-21x",
        "lost+found",
        "notes.parquet",
    ]


values = st.lists(
    st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=12, max_size=12
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.floats(0, 2e9), st.text(max_size=9), values, st.none() | st.text()),
        min_size=1,
        max_size=5,
    )
)
def test_any_window_of_the_wire_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    some: list[tuple[float, str, list[float], str | None]],
) -> None:
    from array import array

    archive = Archive(tmp_path_factory.mktemp("archive"))
    windows = {}
    for start, node, numbers, owner in some:
        flat = array("f", numbers)
        made = TraceWindow(node, start, 1.0, (0, 5), (owner, None), flat, ("a", "b", "c"))
        windows[made.key] = made
    archive.add(windows.values(), 2e9)
    assert sorted(map(repr, told(archive.windows(0, 3e9)))) == sorted(
        map(repr, told(windows.values()))
    )
