"""The campaign's workloads, short: each ends as its name says."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.agent.running import cpu_seconds, until
from tests.bench.running import WORKLOADS, run


@pytest.mark.parametrize(
    ("name", "words", "result"),
    [
        ("fit.py", ("--seconds", "0.5", "--events", "2000"), r"fit: \d+ fits, .* -?\d+\.\d{6}"),
        (
            "fit.py",
            ("--seconds", "0.5", "--events", "2000", "--threads", "3"),
            r"fit: \d+ fits, .* -?\d+\.\d{6}",
        ),
        ("good_io.py", ("--seconds", "0.1", "--events", "50000"), r"good_io: \d+ .* bin 1\d"),
        ("bad_io.py", ("--seconds", "0.3", "--events", "50000"), r"bad_io: \d+ .* bin \d+"),
        ("allreduce.py", ("--seconds", "0.5"), r"allreduce: \d+ sums over 2 ranks, all right"),
        ("allreduce.py", ("--seconds", "0.3", "--ranks", "3"), r"allreduce: .* 3 ranks, all right"),
        ("idle.py", ("--seconds", "0.3"), r"idle: woke \d times"),
        ("memory_hog.py", ("--need-mb", "10", "--seconds", "0.1"), r"memory_hog: held 10 MiB"),
        ("slow.py", ("--seconds", "0.2"), r"slow: \d+ steps in 0\.\d s of CPU time"),
        ("cpu_hog.py", ("--seconds", "0.2", "--threads", "2"), r"cpu_hog: 2 processes for 0.2 s"),
        ("io_hog.py", ("--seconds", "0.2", "--size-mb", "2"), r"io_hog: \d+ MiB written, \w+"),
    ],
)
def test_those_that_succeed_say_what_they_did(
    name: str, words: tuple[str, ...], result: str
) -> None:
    done = run(name, *words)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(result, done.stdout.strip())


def test_good_and_bad_io_read_the_same_events() -> None:
    # Of these 50 events the fullest bin holds 5 and the next 3: after two passes the lead is larger
    # than what a part of a pass can add.
    words = ("--events", "50", "--seed", "2")
    good = run("good_io.py", "--seconds", "0", *words)
    for seconds in ("1", "8", "40"):  # what it does in one depends on the disk, and on who syncs
        bad = run("bad_io.py", "--seconds", seconds, *words)
        if int(bad.stdout.split()[1]) >= 100:
            break
    assert int(bad.stdout.split()[1]) >= 100
    assert good.stdout.split("fullest")[1] == bad.stdout.split("fullest")[1]


def test_scratch_files_are_removed(tmp_path: Path) -> None:
    for name in ("good_io.py", "bad_io.py", "io_hog.py"):
        assert run(name, "--seconds", "0.1", TMPDIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_memory_hog_touches_what_it_takes() -> None:
    command = [sys.executable, str(WORKLOADS / "memory_hog.py"), "--need-mb", "60"]
    peak = 0
    with subprocess.Popen([*command, "--seconds", "1"], stdout=subprocess.DEVNULL) as hog:
        while hog.poll() is None:
            peak = max(peak, psutil.Process(hog.pid).memory_info().rss)
            time.sleep(0.02)
    assert hog.returncode == 0
    assert 60 << 20 < peak < 90 << 20


def test_crash_dies_of_its_bug() -> None:
    assert run("crash.py", "--seconds", "0.1").returncode == -11


def test_transient_fails_once(tmp_path: Path) -> None:
    words = ("--marker", str(tmp_path / "tried"), "--seconds", "0.1")
    assert [run("transient.py", *words).returncode for _ in range(3)] == [75, 0, 0]


def test_site_bound_wants_its_sites_input(tmp_path: Path) -> None:
    (tmp_path / "siteA.dat").write_text("events\n")
    words = ("--inputs", str(tmp_path), "--seconds", "0.1")
    assert run("site_bound.py", *words, JOBMEND_SITE="siteA").returncode == 0
    assert run("site_bound.py", *words, JOBMEND_SITE="siteB").returncode == 66
    assert run("site_bound.py", *words, SLURM_JOB_PARTITION="siteA").returncode == 0


def test_hang_computes_and_then_stands_still() -> None:
    command = [sys.executable, str(WORKLOADS / "hang.py"), "--seconds", "4"]
    with subprocess.Popen(command) as hanging:
        until(lambda: cpu_seconds(hanging.pid) > 0.3)
        time.sleep(4.5)  # whatever share of a CPU it got, its seconds are over
        before = cpu_seconds(hanging.pid)
        time.sleep(1.0)
        after = cpu_seconds(hanging.pid)
        assert hanging.poll() is None
        hanging.kill()
    assert after - before <= 0.02


def test_threads_do_not_change_the_fit() -> None:
    words = ("--seconds", "0", "--events", "2000")
    alone = run("fit.py", *words)
    together = run("fit.py", *words, "--threads", "3")
    assert alone.stdout.split("best")[1] == together.stdout.split("best")[1]
