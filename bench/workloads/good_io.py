"""Histogramming events the good way: large buffered blocks in, one histogram out."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is loaded: one job, one thread

import numpy as np  # noqa: E402

BINS = 100
RECORD_BYTES = 8  # one float64, an invariant mass between 0 and 1
BLOCK_RECORDS = 128 * 1024  # 1 MiB a read


def write_events(path: Path, events: int, seed: int) -> None:
    """The event file; the same seed gives the same bytes."""
    masses = np.random.default_rng(seed).beta(2, 5, events)
    path.write_bytes(masses.astype("<f8").tobytes())


def histogram(source: Path, target: Path) -> np.ndarray:
    """Counts of the masses in ``source``, written to ``target``."""
    counts = np.zeros(BINS, dtype=np.int64)
    with source.open("rb") as stream:
        while block := stream.read(BLOCK_RECORDS * RECORD_BYTES):
            counts += np.histogram(np.frombuffer(block, "<f8"), BINS, (0.0, 1.0))[0]
    target.write_bytes(counts.astype("<i8").tobytes())
    return counts


def main() -> int:
    """Read the file again and again for about ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory(prefix="good_io-") as directory:
        source, target = Path(directory, "events"), Path(directory, "histogram")
        write_events(source, options.events, options.seed)
        passes = 0
        while passes == 0 or time.monotonic() < end:
            counts = histogram(source, target)
            passes += 1
    print(f"good_io: {passes * options.events} records, fullest bin {counts.argmax()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
