"""A proc root whose ``stat`` tells of many hardware threads: more than this machine has."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_TICK_SECONDS = 0.1
_INTERRUPTS = 512
# Ticks of one thread a tenth of a second: user, nice, system, idle, iowait, irq, softirq, steal,
# guest, guest_nice.
_STEP = (7, 0, 1, 2, 0, 0, 0, 0, 0, 0)
_START = (2_461_150, 26_954, 1_074_305, 3_811_949, 33_251, 0, 4_183, 250, 0, 0)


@contextmanager
def many_threads(folder: Path, threads: int, pids: Iterable[int]) -> Iterator[Path]:
    """A proc root with ``threads`` threads at work and this machine's processes ``pids``.

    Its counters move ten times a second, as a kernel's do: an agent that spares itself what has
    not changed gains nothing here.
    """
    folder.mkdir()
    for pid in pids:
        (folder / str(pid)).symlink_to(f"/proc/{pid}")
    descriptor = os.open(folder / "stat", os.O_RDWR | os.O_CREAT, 0o644)
    stop = threading.Event()

    def go_on() -> None:
        turn = 0
        while not stop.wait(_TICK_SECONDS):
            turn += 1
            os.pwrite(descriptor, stat(threads, turn), 0)

    os.pwrite(descriptor, stat(threads, 0), 0)
    clock = threading.Thread(target=go_on)
    clock.start()
    try:
        yield folder
    finally:
        stop.set()
        clock.join()
        os.close(descriptor)


def stat(threads: int, turn: int) -> bytes:
    """The file after ``turn`` tenths of a second. It keeps its length for some hours."""
    counts = [start + turn * step for start, step in zip(_START, _STEP)]
    cells = " ".join(map(str, counts))
    lines = [f"cpu  {' '.join(str(threads * count) for count in counts)}"]
    lines += [f"cpu{number} {cells}" for number in range(threads)]
    lines.append(f"intr {10_892_819 + turn}{' 0' * _INTERRUPTS}")
    lines += ["ctxt 0123456789", "btime 1763700000", "processes 54321"]
    lines += ["procs_running 3", "procs_blocked 0", f"softirq 4012345678{' 401234567' * 10}"]
    return ("\n".join(lines) + "\n").encode()
