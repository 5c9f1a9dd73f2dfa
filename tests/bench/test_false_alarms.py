"""The bench of false alarms, very short: it keeps its contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "false_alarms.py"


def test_rates_and_the_law_are_told() -> None:
    done = subprocess.run(
        [sys.executable, BENCH, "--seeds", "1", "--tested", "10", "--sizes", "9"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["synthetic"] is True
    (size,) = told["sizes"]
    assert size["calibrated"] == 9
    assert size["rates"]["job"]["percent"] == 0.0, "nine runs cannot raise an alarm at 1 %"
    assert set(told["watched"]["rates"]) == {"once", "at each of 16 windows"}
    within = list(told["law"]["within"].values())
    assert within == sorted(within)
    assert told["law"]["for_95_percent"] == 1499
