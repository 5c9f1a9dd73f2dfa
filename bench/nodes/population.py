"""The processes of a bench's jobs: small, many, and never quite asleep."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cgroups import JobCgroups, enter
from .compiled import compiled

BUSY = 2  # jobs that compute for a fifth of the time


@contextmanager
def population(jobs: JobCgroups, count: int, tick_ms: int, folder: Path) -> Iterator[list[int]]:
    """``count`` jobs of one process each that wakes every ``tick_ms``; their pids."""
    program = compiled("nodes/population.c", folder)
    parent = subprocess.Popen(
        [program, str(count), str(tick_ms), str(BUSY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        pids = [int(line) for line in parent.stdout]
        if len(pids) != count:
            raise SystemExit(f"only {len(pids)} of {count} processes could be started")
        for pid in pids:
            directories = jobs.make()
            if jobs.kind == "kernel":
                enter(directories, pid)
        yield pids
    finally:
        parent.communicate()  # closes its input, at which it ends all others
