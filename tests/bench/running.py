"""Benches and workloads as a person starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[2] / "bench"
WORKLOADS = BENCH / "workloads"


def told_by(name: str, *options: str) -> Any:
    """The JSON object that ends a bench's output; the bench has to end well."""
    done = subprocess.run(
        [sys.executable, BENCH / name, *options], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run(name: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What became of a workload of the campaigns, with ``env`` beside the environment."""
    return subprocess.run(
        [sys.executable, WORKLOADS / name, *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
