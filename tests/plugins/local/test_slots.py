from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from jobmend.plugins.local.slots import Slots

HOLDER = """
import sys, time
from pathlib import Path
from jobmend.plugins.local.slots import Slots
held = Slots(Path(sys.argv[1]), 2).acquire(2)
print(held is not None, flush=True)
time.sleep(60)
"""


def test_all_or_nothing(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "slots", 3)
    two = slots.acquire(2)
    assert two is not None
    assert slots.acquire(2) is None
    one = slots.acquire(1)
    assert one is not None
    two.release()
    assert slots.acquire(2) is not None


def test_one_slot_a_hardware_thread(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    slots = Slots(tmp_path)
    everything = slots.acquire(len(slots))
    assert len(slots) == len(allowed)
    assert everything is not None and set(everything.cpus) == allowed


def test_more_slots_than_hardware_threads_share_them(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    everything = Slots(tmp_path, 2 * len(allowed)).acquire(2 * len(allowed))
    assert everything is not None and everything.cpus == tuple(sorted(allowed))


def test_the_dead_hold_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/") as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"True\n"
        assert Slots(tmp_path, 2).acquire(1) is None
        holder.send_signal(signal.SIGKILL)
    assert Slots(tmp_path, 2).acquire(2) is not None
