"""A job that waits: it sleeps, and wakes once a second to look at the clock."""

from __future__ import annotations

import argparse
import time


def main() -> int:
    """Wait for ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    end, wakes = time.monotonic() + options.seconds, 0
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        wakes += 1
    print(f"idle: woke {wakes} times")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
