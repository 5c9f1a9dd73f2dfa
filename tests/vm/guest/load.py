"""What the jobs run: it loads CPU or memory and writes down what it measured of itself.

load.py busy  until the file <job id>.stop is there, then exit 3: one busy thread, an idle child
load.py short two seconds of CPU time, exit 0
load.py quick less than half a second of it
load.py eat   more memory than any job here may have
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

CPU_SECONDS = {"short": 2.0, "quick": 0.4}
HELD_BYTES = 40 << 20  # by the busy job
EATEN_BYTES = 400 << 20
CGROUPS = Path("/sys/fs/cgroup")


def job_cgroup() -> Path:
    """The job's directory, seen from one of its tasks: .../job_1/step_batch/user/task_0."""
    path = Path("/proc/self/cgroup").read_text().strip().split("::", 1)[1]
    here = CGROUPS / path.lstrip("/")
    return next(parent for parent in here.parents if parent.name.startswith("job_"))


def busy(stop: Path) -> int:
    """Compute until told to stop."""
    held = bytearray(b"x" * HELD_BYTES)
    child = subprocess.Popen(["sleep", "3600"])
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    while not stop.exists():
        sum(range(100_000))
    end.set()
    thread.join()
    child.kill()
    child.wait()
    return 3 if held else 0


def compute(seconds: float) -> int:
    """Compute for a fixed CPU time, however slow the machine is."""
    while time.process_time() < seconds:
        sum(range(10_000))
    return 0


def eat() -> int:
    """Touch page after page until the kernel ends it."""
    memory = bytearray(EATEN_BYTES)
    for place in range(0, len(memory), 4096):
        memory[place] = 1
    return 0


def measured() -> dict[str, object]:
    """What the job knows about itself: its own CPU time, and what its cgroup has counted so far."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    counted = (job_cgroup() / "cpu.stat").read_text().split()
    return {
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "cgroup_cpu_seconds": int(counted[counted.index("usage_usec") + 1]) / 1e6,
        "threads": sorted(os.sched_getaffinity(0)),
    }


def main() -> int:
    job, kind = os.environ["SLURM_JOB_ID"], sys.argv[1]
    if kind == "busy":
        status = busy(Path(f"{job}.stop"))
    else:
        status = eat() if kind == "eat" else compute(CPU_SECONDS[kind])
    Path(f"{job}.json").write_text(json.dumps(measured()))
    return status


if __name__ == "__main__":
    sys.exit(main())
