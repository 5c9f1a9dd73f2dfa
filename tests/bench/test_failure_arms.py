"""The bench of all arms, small: its last line is one JSON object, and nothing is hidden."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench/failure_arms.py"


def test_a_row_for_each_arm_and_the_champion_first() -> None:
    words = ["--tasks", "300", "--seeds", "2", "--arms", "majority,xgboost"]
    done = subprocess.run(
        [sys.executable, str(BENCH), *words, "--resampling", "none,weights"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["data"] == "synthetic"
    names = [row["arm"] for row in report["arms"]]
    assert set(names) == {"majority", "xgboost + none", "xgboost + weights"}
    assert report["champion"] == names[0]
    assert f"The champion is {names[0]}" in done.stderr
    majority = report["arms"][names.index("majority")]
    assert report["best_possible"]["log_loss"][0] < majority["log_loss"][0]
