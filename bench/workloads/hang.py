"""Fault: a hang. Two threads compute, then each waits for the lock the other one holds."""

from __future__ import annotations

import argparse
import threading
import time


def work(
    mine: threading.Lock, other: threading.Lock, meeting: threading.Barrier, seconds: float
) -> None:
    """Compute for ``seconds`` holding a lock, then want the other one too."""
    end = time.monotonic() + seconds
    with mine:
        while time.monotonic() < end:
            sum(range(1000))
        meeting.wait()  # both hold their lock now: what comes next cannot end
        with other:
            print("hang: this line is never printed")


def main() -> int:
    """Compute for ``--seconds``, then hang for ever."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    one, two, meeting = threading.Lock(), threading.Lock(), threading.Barrier(2)
    threads = [
        threading.Thread(target=work, args=(mine, other, meeting, options.seconds))
        for mine, other in ((one, two), (two, one))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
