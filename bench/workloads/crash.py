"""Fault: a bug. After some work the program writes through a bad pointer and dies of SIGSEGV."""

from __future__ import annotations

import argparse
import ctypes
import resource
import time


def main() -> int:
    """Work for ``--seconds``, then crash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the crash is wanted, its core is not
    end, total = time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        total += sum(range(1000))
    print(f"crash: summed up to {total}, now for the bug", flush=True)
    ctypes.cast(8, ctypes.POINTER(ctypes.c_int))[0] = total & 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
