"""What a hook costs a job's start and end: the agent up, down, hung, its socket or its disk full.

Slurm's and HTCondor's hook as the packages install them: script, launcher, compiled modules, and
the distribution's Python. The last line is one JSON object: for each case calls, nonzero,
stdout_bytes (stderr counts too), p50_ms, p99_ms; and the same of an empty Python program, the
floor. Exit status 1 where a call failed or printed. ``disk_full`` needs root, for a file system of
its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nodes.agent import AgentProcess
from rich.progress import track

ROOT = Path(__file__).parents[1]
SLURM_JOB = {
    "SLURM_SCRIPT_CONTEXT": "epilog_slurmd",
    "SLURM_CLUSTER_NAME": "bench",
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_UID": "0",
    "SLURM_JOB_USER": "root",
    "SLURM_JOB_EXIT_CODE": "0",
    "SLURM_JOB_EXIT_CODE2": "0:0",
    "SLURMD_NODENAME": "n1",
}
# As many lines as a starter of 25.14 gives, of the length they have.
FILLING = "".join(f'Attribute{number} = "{"x" * 30}"\n' for number in range(120))
CONDOR_JOB = f"""\
ClusterId = 2
ExitBySignal = false
ExitCode = 0
GlobalJobId = "node1#2.0#1795242239"
JobCurrentStartDate = 1795242240
NumShadowStarts = 1
Owner = "root"
ProcId = 0
RemoteHost = "slot1_1@node1"
RequestMemory = 100
{FILLING}"""


@dataclass(frozen=True)
class Call:
    """What a scheduler runs, with which environment and standard input."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    given: bytes = b""


# ---- the agent's states --------------------------------------------------------------------------


@contextmanager
def down(folder: Path) -> Iterator[Path]:
    """Nobody is there, not even a socket."""
    yield folder / "hook.sock"


@contextmanager
def up(folder: Path) -> Iterator[Path]:
    """A real agent."""
    (folder / "cgroup").mkdir()
    with AgentProcess(folder / "agent", folder / "cgroup", "") as agent:
        yield agent.hook_socket


@contextmanager
def hung(folder: Path) -> Iterator[Path]:
    """A real agent that was stopped: its socket fills with the first calls."""
    (folder / "cgroup").mkdir()
    with AgentProcess(folder / "agent", folder / "cgroup", "") as agent:
        os.kill(agent.pid, signal.SIGSTOP)
        try:
            yield agent.hook_socket
        finally:
            os.kill(agent.pid, signal.SIGCONT)


@contextmanager
def socket_full(folder: Path) -> Iterator[Path]:
    """An agent that was stopped, and nobody can write to its socket any more."""
    with hung(folder) as path, closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as filler:
        filler.setblocking(False)
        try:
            while True:
                filler.sendto(b"x", str(path))
        except BlockingIOError:
            yield path


@contextmanager
def disk_full(folder: Path) -> Iterator[Path]:
    """A real agent whose spool lies on a file system without a free byte."""
    mounted = folder / "agent"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], check=True)
    try:
        with up(folder) as path:
            fill(mounted / "filling")
            yield path
    finally:
        subprocess.run(["umount", mounted], check=True)


def fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


STATES: dict[str, Callable[[Path], AbstractContextManager[Path]]] = {
    "up": up,
    "down": down,
    "hung": hung,
    "socket_full": socket_full,
    "disk_full": disk_full,
}


# ---- measuring -----------------------------------------------------------------------------------


def distribution_python() -> str:
    """The Python that packages use here; this one where the distribution has none or an old one."""
    check = "import sys; sys.exit(sys.version_info < (3, 9))"
    try:
        subprocess.run(["/usr/bin/python3", "-c", check], check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return sys.executable
    return "/usr/bin/python3"


def library(folder: Path, python: str) -> None:
    """The modules of the node's side, compiled, below ``lib``."""
    package = folder / "lib" / "jobmend"
    for name in ("jobs", "plugins"):
        shutil.copytree(
            ROOT / name, package / name, ignore=shutil.ignore_patterns("__pycache__", "local")
        )
    shutil.copy(ROOT / "__init__.py", package)
    subprocess.run([python, "-m", "compileall", "-q", package], check=True)


def installed(folder: Path, scheduler: str, module: str, python: str) -> str:
    """The shipped script of a scheduler with the launcher of the packages; its path."""
    launcher = (ROOT / "packaging/bin/launcher.in").read_text()
    launcher = launcher.replace("@MODULE@", module).replace("@FUNCTION@", "main")
    launcher = launcher.replace("/usr/bin/python3", python)
    program, script = folder / f"{scheduler}-program", folder / scheduler
    program.write_text(launcher.replace("/usr/lib/jobmend", str(folder / "lib")))
    text = (ROOT / "etc" / scheduler / "jobmend-hook").read_text()
    text = re.sub(r"^HOOK=.*", f"HOOK={program}", text, flags=re.M)
    script.write_text(re.sub(r"^JOBMEND_HOOK_SOCKET=.*\n", "", text, flags=re.M))
    for file in (program, script):
        file.chmod(0o755)
    return str(script)


def calls(folder: Path, python: str) -> dict[str, Call]:
    """What is called, by scheduler."""
    library(folder, python)
    slurm = installed(folder, "slurm", "jobmend.plugins.slurm.hook", python)
    condor = installed(folder, "condor", "jobmend.plugins.htcondor.hook", python)
    return {
        "slurm": Call((slurm,), SLURM_JOB),
        "htcondor": Call((condor, "exit"), {"_CONDOR_SLOT": "slot1_1"}, CONDOR_JOB.encode()),
    }


def measure(call: Call, path: Path, count: int, title: str) -> dict[str, float]:
    """Make ``call`` as a scheduler would and time it as a whole process."""
    environment = {"PATH": os.defpath, **call.environment, "JOBMEND_HOOK_SOCKET": str(path)}
    times, nonzero, printed = [], 0, 0
    for _ in track(range(count), title):
        began = time.perf_counter()
        done = subprocess.run(
            call.argv, env=environment, input=call.given, capture_output=True, cwd=os.sep
        )
        times.append(1000 * (time.perf_counter() - began))
        nonzero += done.returncode != 0
        printed += len(done.stdout) + len(done.stderr)
    return {
        "calls": count,
        "nonzero": nonzero,
        "stdout_bytes": printed,
        "p50_ms": round(statistics.median(times), 1),
        "p99_ms": round(statistics.quantiles(times, n=100)[98], 1),
    }


def run(options: argparse.Namespace, base: Path) -> dict[str, dict[str, float]]:
    """Measure all cases."""
    floor = Call((options.python, "-ISBc", "pass"), {})
    found = {"floor": measure(floor, base, options.calls, "floor")}
    hooks = calls(base, options.python)
    for state, agent in STATES.items():
        if state == "disk_full" and os.geteuid() != 0:
            print("disk_full needs root: left out", file=sys.stderr)
            continue
        for scheduler, call in hooks.items():
            name = f"{scheduler}_{state}"
            folder = base / name
            folder.mkdir()
            with agent(folder) as path:
                found[name] = measure(call, path, options.calls, name)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and judge what may never happen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000, help="of each case (default: 1000)")
    parser.add_argument("--python", default=distribution_python(), help="that runs the hooks")
    parser.add_argument("--quick", action="store_true", help="100 calls of each case")
    options = parser.parse_args(argv)
    if options.quick:
        options.calls = 100
    with tempfile.TemporaryDirectory(prefix="jm") as directory:
        found = run(options, Path(directory))
    print(json.dumps(found))
    return int(any(case["nonzero"] or case["stdout_bytes"] for case in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
