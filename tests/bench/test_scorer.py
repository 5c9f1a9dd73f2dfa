"""The bench of the scorer: it measures all kinds of models, and they agree with torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "scorer.py"


def test_it_tells_all_kinds_the_process_and_the_bytes() -> None:
    command = [sys.executable, str(BENCH), "--threads", "4", "--runs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    told = json.loads(done.stdout.splitlines()[-1])
    kinds = [one for one in told.values() if isinstance(one, dict) and "ratio_to_torch" in one]
    assert len(kinds) == 9
    assert all(one["largest_relative_difference"] < 1e-5 for one in kinds)
    assert told["process"]["scorer_resident_bytes"] > 2**20
    assert told["agent"]["window_bytes"] == 4 * 32 * 10 * 4 < told["agent"]["message_bytes"]
