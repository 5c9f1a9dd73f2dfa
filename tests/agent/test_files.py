from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobmend.agent.files import Descriptors, Gone, KernelFile


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_kept_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "cpu.stat"
    path.write_bytes(b"1\n")
    file = KernelFile(str(path), Descriptors())
    assert file.read() == b"1\n"
    path.write_bytes(b"22\n")
    assert file.read() == b"22\n"
    before = open_descriptors()
    file.close()
    file.close()
    assert open_descriptors() == before - 1


def test_a_file_longer_than_the_first_read_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_bytes(b"x" * 20_000)
    assert len(KernelFile(str(path), Descriptors()).read()) == 20_000
    path.write_bytes(b"x" * 4096)
    assert len(KernelFile(str(path)).read()) == 4096


def test_a_real_kernel_file() -> None:
    file = KernelFile("/proc/stat", Descriptors())
    first, second = file.read(), file.read()
    assert first.startswith(b"cpu ") and second.startswith(b"cpu ")
    file.close()


def test_without_descriptors_files_are_opened_each_time_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cpu.stat"
    path.write_bytes(b"1\n")
    kept = Descriptors(limit=1)
    files = [KernelFile(str(path), kept) for _ in range(3)]
    assert [file.read() for file in files] == [b"1\n"] * 3
    assert kept.unkept_reads == 2
    assert [record.message for record in caplog.records] == [
        "no file descriptor is free, so files are opened at each sample; "
        "raise LimitNOFILE of the agent (20 for each job)"
    ]
    path.unlink()
    assert files[0].read() == b"1\n"  # kept
    with pytest.raises(Gone):
        files[1].read()


def test_closing_gives_the_room_back(tmp_path: Path) -> None:
    path = tmp_path / "cpu.stat"
    path.write_bytes(b"1\n")
    kept = Descriptors(limit=1)
    KernelFile(str(path), kept).close()
    assert kept.open == 0
    KernelFile(str(path), kept).read()
    assert (kept.open, kept.unkept_reads) == (1, 0)


def test_a_file_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KernelFile(str(tmp_path / "absent"), Descriptors())
