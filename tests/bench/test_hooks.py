"""The benches of the hooks, very short: they keep their contract and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.running import told_by

STATES = ("up", "down", "hung", "socket_full", "disk_full")


def mounts() -> set[str]:
    return set(Path("/proc/self/mounts").read_text().splitlines())


def test_no_hook_fails_or_prints_whatever_the_agent_does() -> None:
    before = mounts()
    told = told_by("hooks.py", "--calls", "12")
    states = STATES if os.geteuid() == 0 else STATES[:-1]
    hooks = {f"{scheduler}_{state}" for scheduler in ("slurm", "htcondor") for state in states}
    assert set(told) == {"floor", *hooks}
    for case in told.values():
        assert (case["calls"], case["nonzero"], case["stdout_bytes"]) == (12, 0, 0)
        assert 0 < case["p50_ms"] <= case["p99_ms"]
    assert not {line for line in mounts() - before if "/agent" in line}


def test_every_event_is_in_the_brain_once() -> None:
    # So slow that what is caught up after a pause of the machine fits into the socket's queue.
    told = told_by("hook_events.py", "--events", "300", "--rate", "30")
    assert (told["sent"], told["delivered"], told["lost"], told["doubled"]) == (300, 300, 0, 0)
