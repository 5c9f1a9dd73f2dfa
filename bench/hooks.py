"""What a Slurm hook costs a job's start and end, with the agent up, gone, and hung.

The last line is one JSON object: for each case calls, nonzero, stdout_bytes, p50_ms, p99_ms; and
the same of ``python -c pass``, the floor of a hook written in Python.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from rich.progress import track

HOOK = [str(Path(sys.executable).with_name("jobmend-slurm-hook"))]
FLOOR = [sys.executable, "-c", "pass"]
JOB = {
    "SLURM_SCRIPT_CONTEXT": "epilog_slurmd",
    "SLURM_CLUSTER_NAME": "bench",
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_UID": "0",
    "SLURM_JOB_USER": "root",
    "SLURM_JOB_EXIT_CODE": "0",
    "SLURM_JOB_EXIT_CODE2": "0:0",
    "SLURMD_NODENAME": "n1",
}


@contextmanager
def agent_gone(path: Path) -> Iterator[None]:
    """Nobody is there, not even a socket."""
    yield


@contextmanager
def agent_up(path: Path) -> Iterator[None]:
    """A socket that is read at once."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as channel:
        channel.bind(str(path))

        def receive() -> None:
            while channel.recv(65536):
                pass

        reader = threading.Thread(target=receive)
        reader.start()
        try:
            yield
        finally:
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as last:
                last.sendto(b"", str(path))
            reader.join()
            path.unlink()


@contextmanager
def agent_hung(path: Path) -> Iterator[None]:
    """A socket whose queue is full and that nobody reads."""
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as channel,
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as filler,
    ):
        channel.bind(str(path))
        filler.setblocking(False)
        try:
            while True:
                filler.sendto(b"x", str(path))
        except BlockingIOError:
            yield
        finally:
            path.unlink()


CASES: dict[str, tuple[Callable[[Path], AbstractContextManager[None]], Sequence[str]]] = {
    "floor": (agent_gone, FLOOR),
    "gone": (agent_gone, HOOK),
    "up": (agent_up, HOOK),
    "hung": (agent_hung, HOOK),
}


def measure(command: Sequence[str], path: Path, calls: int, title: str) -> dict[str, float]:
    """Call ``command`` as slurmd would and time it as a whole process."""
    environment = {**JOB, "JOBMEND_HOOK_SOCKET": str(path)}
    times, nonzero, printed = [], 0, 0
    for _ in track(range(calls), title):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, cwd=os.sep)
        times.append(1000 * (time.perf_counter() - began))
        nonzero += done.returncode != 0
        printed += len(done.stdout) + len(done.stderr)
    return {
        "calls": calls,
        "nonzero": nonzero,
        "stdout_bytes": printed,
        "p50_ms": round(statistics.median(times), 1),
        "p99_ms": round(statistics.quantiles(times, n=100)[98], 1),
    }


def main() -> int:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "hook.sock")
        for name, (agent, command) in CASES.items():
            with agent(path):
                found[name] = measure(command, path, options.calls, name)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
