"""Fault: a job that needs more memory than it may have. With enough it succeeds."""

from __future__ import annotations

import argparse
import time

PAGE = 4096
STEP = 4 << 20  # bytes taken at once


def main() -> int:
    """Grow to ``--need-mb``, touching every page, over about ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--need-mb", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    need = options.need_mb << 20
    held: list[bytearray] = []
    for taken in range(0, need, STEP):
        block = bytearray(min(STEP, need - taken))
        block[::PAGE] = b"x" * len(range(0, len(block), PAGE))
        held.append(block)
        time.sleep(options.seconds * STEP / need)
    print(f"memory_hog: held {sum(map(len, held)) >> 20} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
