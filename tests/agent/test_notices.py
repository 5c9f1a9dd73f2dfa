"""What the kernel says between samples: on real directories and real cgroups."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.inotify import Inotify
from jobmend.agent.notices import NOTHING, Notice, Notices


@pytest.fixture
def notices() -> Iterator[Notices]:
    made = Notices()
    yield made
    made.close()


def heard(notices: Notices, seconds: float = 30.0) -> Notice:
    """The first notice that is not empty, or NOTHING."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        notice = notices.wait(end - time.monotonic())
        if notice != NOTHING:
            return notice
    return NOTHING


def test_directories_that_come_and_go_are_heard(tmp_path: Path, notices: Notices) -> None:
    (tmp_path / "a").mkdir()
    notices.watch_only({str(tmp_path), str(tmp_path / "a"), str(tmp_path / "never")})
    assert notices.hears_directories
    (tmp_path / "a" / "job").mkdir()
    assert heard(notices) == Notice(frozenset({str(tmp_path / "a")}), frozenset())
    (tmp_path / "a" / "job").rmdir()
    assert heard(notices).changed == {str(tmp_path / "a")}
    notices.watch_only({str(tmp_path)})
    (tmp_path / "a" / "unheard").mkdir()
    (tmp_path / "b").mkdir()
    assert heard(notices).changed == {str(tmp_path)}


def test_a_directory_made_anew_can_be_watched_anew(tmp_path: Path, notices: Notices) -> None:
    place = tmp_path / "scope"
    for _ in range(3):
        place.mkdir()
        notices.watch_only({str(place)})
        (place / "job").mkdir()
        assert heard(notices).changed == {str(place)}
        (place / "job").rmdir()
        place.rmdir()
        notices.watch_only(set())
        notices.wait(0)


def test_more_directories_than_the_kernel_lets_watch_are_looked_for_at_each_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Inotify, directories: set[str]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Inotify, "watch_only", refuse)
    notices = Notices()
    notices.watch_only({str(tmp_path)})
    assert not notices.hears_directories
    assert "cgroups are looked for at each sample, because inotify fails" in caplog.text
    assert notices.wait(0.0) == NOTHING
    notices.close()


def test_waiting_ends_with_its_time_or_when_it_is_woken(notices: Notices) -> None:
    assert notices.wait(0.01) == NOTHING
    began = time.monotonic()
    timer = threading.Timer(0.05, notices.wake)
    timer.start()
    assert notices.wait(60.0) == NOTHING
    assert time.monotonic() - began < 30
    timer.join()
    for _ in range(100_000):  # nobody listens: the pipe fills up
        notices.wake()
    assert notices.wait(0.0) == NOTHING


def test_nothing_can_be_polled_in_a_copy_of_a_tree(tmp_path: Path, notices: Notices) -> None:
    assert not notices.watch_processes(str(tmp_path))
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert not notices.watch_processes(str(tmp_path))
    notices.forget(str(tmp_path))


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    notices = Notices()
    notices.watch_only({str(tmp_path)})
    notices.close()
    assert os.listdir("/proc/self/fd") == before


def unified() -> Path:
    root = Path("/sys/fs/cgroup")
    return root if (root / "cgroup.controllers").exists() else root / "unified"


@pytest.fixture
def cgroup() -> Iterator[Path]:
    made = unified() / f"jobmend_n{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    yield made
    made.rmdir()


@pytest.mark.cgroup
def test_the_last_process_that_leaves_is_heard_while_counters_can_be_read(
    cgroup: Path, notices: Notices
) -> None:
    job = cgroup / "job_1"
    notices.watch_only({str(cgroup)})
    job.mkdir()
    try:
        assert heard(notices).changed == {str(cgroup)}
        assert notices.watch_processes(str(job))

        def enter() -> None:
            (job / "cgroup.procs").write_text(str(os.getpid()))

        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, preexec_fn=enter)
        assert heard(notices).emptied == {str(job)}  # one entered
        process.communicate()
        assert heard(notices).emptied == {str(job)}
        assert "usage_usec" in (job / "cpu.stat").read_text()
        assert notices.wait(0.05) == NOTHING
    finally:
        job.rmdir()
    assert heard(notices).changed == {str(cgroup)}
    assert notices.wait(0.05).emptied <= {str(job)}  # removed: heard once at most, not for ever
    assert notices.wait(0.05) == NOTHING
