"""An MPI job: MPICH ranks that compute for random times, then Allreduce; without MPICH processes.

The ranks are mpi_allreduce.c, compiled by mpicc once and kept in ``--programs``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "mpi_allreduce.c"


class MpiError(Exception):
    """The ranks' program cannot be made; the message says why."""


def compiled(folder: Path, mpicc: str) -> Path:
    """The ranks' program in ``folder``, made where it is missing or older than its source."""
    program = folder / SOURCE.stem
    if program.exists() and program.stat().st_mtime >= SOURCE.stat().st_mtime:
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch, program.name)
        done = subprocess.run(
            [mpicc, "-O2", "-Wall", "-o", made, SOURCE], capture_output=True, text=True
        )
        if done.returncode:
            raise MpiError(f"{SOURCE} does not compile with {mpicc}: {done.stderr.strip()}")
        os.replace(made, program)  # whole or not at all: another job may start it now
    return program


def command(options: argparse.Namespace) -> list[str]:
    """How the ranks are started; allreduce.py stands in where there is no MPICH."""
    mpicc, mpiexec = (shutil.which(f"{name}.mpich") or shutil.which(name) for name in NAMES)
    if mpicc is None or mpiexec is None:
        words = ("--seconds", options.seconds, "--ranks", options.ranks, "--seed", options.seed)
        return [sys.executable, str(HERE / "allreduce.py"), *map(str, words)]
    program = compiled(options.programs, mpicc)
    start = [mpiexec, "-launcher", "fork", "-n", str(options.ranks), str(program)]
    return [*start, str(options.seconds), str(options.seed)]


NAMES = ("mpicc", "mpiexec")


def main() -> int:
    """Become the starter of the ranks; 1 where their program cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "jobmend-bench")
    parser.add_argument("--programs", type=Path, default=cache)
    options = parser.parse_args()
    try:
        words = command(options)
    except (MpiError, OSError) as error:
        print(f"mpi: {error}", file=sys.stderr)
        return 1
    os.execv(words[0], words)


if __name__ == "__main__":
    raise SystemExit(main())
