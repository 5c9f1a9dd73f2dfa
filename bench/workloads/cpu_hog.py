"""Neighbour: processes that do nothing but compute, on every hardware thread by default."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from multiprocessing import get_context


def burn(cpu: int, seconds: float) -> None:
    """Compute on the hardware thread ``cpu`` for ``seconds``, on the clock."""
    os.setsid()  # as others' jobs are: Linux shares the CPU out among sessions first
    os.sched_setaffinity(0, {cpu})  # else the kernel moves all of them out of a pinned job's way
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


def main() -> int:
    """Keep ``--threads`` processes busy for ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # an exit ends the daemonic children too
    context = get_context("fork")
    cpus = sorted(os.sched_getaffinity(0))
    hogs = [
        context.Process(target=burn, args=(cpus[n % len(cpus)], options.seconds), daemon=True)
        for n in range(options.threads)
    ]
    for hog in hogs:
        hog.start()
    for hog in hogs:
        hog.join()
    print(f"cpu_hog: {len(hogs)} processes for {options.seconds:g} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
