"""A brain beside a real scheduler, whose rounds the test goes itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from jobmend.brain.brain import Brain
from jobmend.jobs.identity import Run

SECONDS = 90.0


def until(brain: Brain, seen: Callable[[], object], what: str) -> None:
    """Go rounds until ``what`` is seen."""
    deadline = time.monotonic() + SECONDS
    while not seen():
        assert time.monotonic() < deadline, f"{what} was not seen in {SECONDS:g} s"
        time.sleep(0.3)
        brain.watcher.round()


def is_accounted(db: sqlite3.Connection, run: Run) -> bool:
    """Has accounting told how it ended?"""
    row = db.execute("SELECT accounted FROM runs WHERE key = ?", (run.key,)).fetchone()
    return row is not None and bool(row["accounted"])
