"""The floor: a C program that reads the same files, and nothing else."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .compiled import compiled


class Floor(NamedTuple):
    """Milliseconds of CPU for reading all files once; medians over the rounds."""

    files: int
    paced_ms: float
    hot_ms: float
    paced_mean_ms: float


def floor(files: Sequence[str], rounds: int, period: float, folder: Path) -> Floor:
    """Read ``files`` in ``rounds`` rounds, ``period`` seconds apart and then back to back.

    The paced rounds are the fair ones. The agent, too, finds what it needs gone from the CPU's
    caches after a second of other work; a loop that reads the same files at once again does not,
    and costs about half.
    """
    done = subprocess.run(
        [compiled("floor.c", folder), str(rounds), str(period)],
        input="".join(f"{path}\n" for path in files),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    opened, *nanoseconds = map(int, done.stdout.split())
    if opened != len(files):
        raise SystemExit(f"the floor could open only {opened} of {len(files)} files")
    paced, hot = nanoseconds[:rounds], nanoseconds[rounds:]
    return Floor(
        opened,
        statistics.median(paced) / 1e6,
        statistics.median(hot) / 1e6,
        statistics.mean(paced) / 1e6,
    )
