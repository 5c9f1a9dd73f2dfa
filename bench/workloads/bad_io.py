"""Histogramming events the bad way: files opened anew for each record, synced byte by byte."""

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


def write_events(path: Path, events: int, seed: int) -> None:
    """The event file of good_io.py: the same seed gives the same bytes."""
    masses = np.random.default_rng(seed).beta(2, 5, events)
    path.write_bytes(masses.astype("<f8").tobytes())


def count_record(source: Path, target: Path, record: int, counts: np.ndarray) -> None:
    """Read one mass unbuffered, count it, and put its bin on disk byte by byte."""
    with source.open("rb", buffering=0) as stream:
        stream.seek(record * RECORD_BYTES)
        mass = float(np.frombuffer(stream.read(RECORD_BYTES), "<f8")[0])
    bin_ = min(int(mass * BINS), BINS - 1)
    counts[bin_] += 1
    with target.open("r+b", buffering=0) as stream:
        stream.seek(bin_ * RECORD_BYTES)
        for byte in int(counts[bin_]).to_bytes(RECORD_BYTES, "little"):
            stream.write(bytes([byte]))
        os.fsync(stream.fileno())


def main() -> int:
    """Go through the file, again from the start at its end, for about ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    counts = np.zeros(BINS, dtype=np.int64)
    with tempfile.TemporaryDirectory(prefix="bad_io-") as directory:
        source, target = Path(directory, "events"), Path(directory, "histogram")
        write_events(source, options.events, options.seed)
        target.write_bytes(bytes(BINS * RECORD_BYTES))
        records = 0
        while records == 0 or time.monotonic() < end:
            count_record(source, target, records % options.events, counts)
            records += 1
    print(f"bad_io: {records} records, fullest bin {counts.argmax()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
