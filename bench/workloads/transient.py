"""Fault: something outside fails once. The first attempt exits 75 (EX_TEMPFAIL), others succeed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path


def main() -> int:
    """Fail when ``--marker`` did not exist yet, else work for ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--marker", type=Path, required=True, help="file that tells of an attempt")
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    end, total = time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        total += sum(range(1000))
    try:
        options.marker.touch(exist_ok=False)
    except FileExistsError:
        print(f"transient: summed up to {total}")
        return 0
    print("transient: the catalogue does not answer, try again", file=sys.stderr)
    return os.EX_TEMPFAIL


if __name__ == "__main__":
    raise SystemExit(main())
