"""Fault: a job that needs more time than it may have. With enough it succeeds."""

from __future__ import annotations

import argparse
import time


def main() -> int:
    """Use ``--seconds`` of CPU time, however long that takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    number, steps = 27, 0
    while time.process_time() < options.seconds:
        for _ in range(10_000):  # the Collatz sequence: deterministic, and never done
            number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 10_000
    print(f"slow: {steps} steps in {time.process_time():.1f} s of CPU time")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
