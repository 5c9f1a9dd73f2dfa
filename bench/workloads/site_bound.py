"""Fault: a bad site. The job exits 66 (EX_NOINPUT) where its site has no input."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path


def site_of(environ: Mapping[str, str]) -> str:
    """Where the scheduler says that the job runs."""
    return environ.get("JOBMEND_SITE") or environ.get("SLURM_JOB_PARTITION") or "local"


def main() -> int:
    """Read ``<inputs>/<site>.dat``, then work for ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=Path, required=True, help="folder of the sites' inputs")
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    path = options.inputs / f"{site_of(os.environ)}.dat"
    try:
        size = len(path.read_bytes())
    except OSError as error:
        print(f"site_bound: {path}: {error.strerror}", file=sys.stderr)
        return os.EX_NOINPUT
    end, total = time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        total += sum(range(1000))
    print(f"site_bound: read {size} bytes, summed up to {total}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
