"""The bench of reading traces, very short: it keeps its contract."""

from __future__ import annotations

import shutil

from tests.bench.running import told_by


def test_all_ways_read_the_same_numbers() -> None:
    options = ("--threads", "2", "--minutes", "2", "--rounds", "1")
    told = told_by("trace_read.py", *options)
    ways = {"archive"}
    if shutil.which("promtool"):
        ways |= {"prometheus_query_range", "prometheus_rebuilt"}
    if shutil.which("victoria-metrics"):
        ways |= {"victoria_export"}
    assert set(told["seconds"]) == set(told["ratio"]) == ways
    assert max(told["difference"].values()) < 1e-6
    assert (told["numbers"], told["synthetic"]) == (2 * 120 * 10, True)
