"""Any workload with a fault on top: a memory leak, a hang, or a CPU quota that throttles it.

``faulty.py --fault hang --after 6 -- fit.py --seconds 20`` runs fit.py and stops it after 6 s.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import psutil

HERE = Path(__file__).parent
FAULTS = ("none", "memory_leak", "hang", "throttled")
PERIOD_US = 100_000
PAGE = 4096
STEPS_PER_SECOND = 10
CGROUPS = Path("/sys/fs/cgroup")


def leak(mb_per_second: float, stop: threading.Event) -> None:
    """Take memory, touch each page of it and never give it back."""
    kept: list[bytearray] = []
    size = int(mb_per_second * 2**20 / STEPS_PER_SECOND)
    while not stop.wait(1 / STEPS_PER_SECOND):
        block = bytearray(size)
        block[::PAGE] = b"x" * len(range(0, size, PAGE))
        kept.append(block)


def leaves(pid: int) -> list[int]:
    """The processes below ``pid`` that have no children, or itself; the newest last."""
    process = psutil.Process(pid)
    found = [one for one in (process, *process.children(recursive=True)) if not one.children()]
    return [one.pid for one in sorted(found, key=lambda one: (one.create_time(), one.pid))]


def hang(pid: int, seconds: float, stop: threading.Event) -> None:
    """After ``seconds`` stop the newest working process, as a deadlock or a lost rank would."""
    if stop.wait(seconds):
        return
    try:
        os.kill(leaves(pid)[-1], signal.SIGSTOP)
    except (psutil.NoSuchProcess, ProcessLookupError, IndexError):
        return  # it has ended meanwhile


def enter_cgroup(parent: Path | None, quota: float | None) -> None:
    """Go into a new cgroup below ``parent`` of the v1 hierarchy ``cpu``; there the quota holds.

    Without ``parent`` the quota is set where this process is in cgroup v2. OSError where neither
    can be.
    """
    if parent is not None:
        place = parent / f"work{os.getpid()}"
        place.mkdir()
        if quota is not None:
            (place / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (place / "cpu.cfs_quota_us").write_text(str(int(quota * PERIOD_US)))
        (place / "cgroup.procs").write_text(str(os.getpid()))
    elif quota is not None:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next((line[3:] for line in lines if line.startswith("0::")), "/")
        limit = CGROUPS / own.lstrip("/") / "cpu.max"
        limit.write_text(f"{int(quota * PERIOD_US)} {PERIOD_US}")


def start(words: list[str], options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start the workload; what is sent to this process to end it is sent on."""
    name, *arguments = words
    child = subprocess.Popen([sys.executable, str(HERE / Path(name).name), *arguments])

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(signal.SIGCONT)
        child.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    return child


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--after", type=float, default=6.0, help="seconds before it hangs")
    parser.add_argument("--mb-per-second", type=float, default=16.0, help="that it leaks")
    parser.add_argument("--quota", type=float, default=0.4, help="CPUs it may use if throttled")
    parser.add_argument("--cpu-cgroup", type=Path, help="of the v1 hierarchy cpu, to run below")
    parser.add_argument("workload", nargs=argparse.REMAINDER, metavar="-- SCRIPT ...")
    return parser.parse_args()


def main() -> int:
    """Run the workload to its end; its exit code, 128 and the signal where one ended it."""
    options = parsed()
    words = options.workload[1:] if options.workload[:1] == ["--"] else options.workload
    if not words:
        print("faulty: name a workload after --, such as fit.py", file=sys.stderr)
        return os.EX_USAGE
    enter_cgroup(options.cpu_cgroup, options.quota if options.fault == "throttled" else None)
    began, stop = time.monotonic(), threading.Event()
    child = start(words, options)
    work = {
        "memory_leak": lambda: leak(options.mb_per_second, stop),
        "hang": lambda: hang(child.pid, options.after, stop),
    }.get(options.fault)
    if work is not None:
        threading.Thread(target=work, daemon=True).start()
    code = child.wait()
    stop.set()
    print(f"faulty: {options.fault} on {words[0]} for {time.monotonic() - began:.1f} s")
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main())
