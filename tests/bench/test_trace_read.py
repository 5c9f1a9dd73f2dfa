"""The bench of reading traces, very short: it keeps its contract."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "trace_read.py"


def test_all_ways_read_the_same_numbers() -> None:
    options = ("--threads", "2", "--minutes", "2", "--rounds", "1")
    done = subprocess.run(
        [sys.executable, BENCH, *options], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    ways = {"archive"}
    if shutil.which("promtool"):
        ways |= {"prometheus_query_range", "prometheus_rebuilt"}
    if shutil.which("victoria-metrics"):
        ways |= {"victoria_export"}
    assert set(told["seconds"]) == set(told["ratio"]) == ways
    assert max(told["difference"].values()) < 1e-6
    assert (told["numbers"], told["synthetic"]) == (2 * 120 * 10, True)
