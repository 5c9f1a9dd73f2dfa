"""The benches of the hooks, very short: they keep their contract and leave nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[2] / "bench"
STATES = ("up", "down", "hung", "socket_full", "disk_full")


def report(name: str, *options: str) -> Any:
    done = subprocess.run(
        [sys.executable, BENCH / name, *options], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def mounts() -> set[str]:
    return set(Path("/proc/self/mounts").read_text().splitlines())


def test_no_hook_fails_or_prints_whatever_the_agent_does() -> None:
    before = mounts()
    told = report("hooks.py", "--calls", "12")
    states = STATES if os.geteuid() == 0 else STATES[:-1]
    hooks = {f"{scheduler}_{state}" for scheduler in ("slurm", "htcondor") for state in states}
    assert set(told) == {"floor", *hooks}
    for case in told.values():
        assert (case["calls"], case["nonzero"], case["stdout_bytes"]) == (12, 0, 0)
        assert 0 < case["p50_ms"] <= case["p99_ms"]
    assert not {line for line in mounts() - before if "/agent" in line}


def test_every_event_is_in_the_brain_once() -> None:
    told = report("hook_events.py", "--events", "300", "--rate", "100")
    assert (told["sent"], told["delivered"], told["lost"], told["doubled"]) == (300, 300, 0, 0)
