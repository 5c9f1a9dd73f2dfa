"""The bench of the agent, very short: it keeps its contract and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

BENCH = Path(__file__).parents[2] / "bench" / "agent_cost.py"
SHORT = ["--jobs", "3", "--runs", "1", "--scrapes", "5", "--period", "0.2", "--no-ten-hz"]
CONTRACT = ("jobs", "cpu_ms_per_scrape", "floor_ms", "ratio", "p50_ms", "p95_ms", "rss_mb")


def left_by(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/jobmend_b{pid}"))


def is_agent(process: psutil.Process) -> bool:
    try:
        return "jobmend.agent" in process.cmdline()
    except psutil.NoSuchProcess:  # the compiler, say
        return False


@pytest.fixture
def bench() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, BENCH, *SHORT], stdout=subprocess.PIPE, text=True)


def test_the_last_line_is_the_report(bench: subprocess.Popen[str]) -> None:
    printed, _ = bench.communicate(timeout=120)
    assert bench.returncode == 0
    report = json.loads(printed.splitlines()[-1])
    assert all(report[name] > 0 for name in (*CONTRACT, "series", "bytes"))
    assert report["jobs"] == 3 and report["cgroups"] in ("kernel", "files")
    (size,) = report["sizes"]
    assert size["ratio"] == report["ratio"] and len(size["runs"]) == 1
    assert left_by(bench.pid) == []


def test_a_bench_that_is_stopped_leaves_nothing(bench: subprocess.Popen[str]) -> None:
    children: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while not any(map(is_agent, children)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        children = psutil.Process(bench.pid).children(recursive=True)
    bench.send_signal(signal.SIGTERM)
    bench.communicate(timeout=60)
    assert bench.returncode == 128 + signal.SIGTERM
    assert left_by(bench.pid) == []
    assert not [child for child in children if child.is_running()]
