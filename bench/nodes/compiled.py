"""The small C programs of the benches, compiled for one run."""

from __future__ import annotations

import subprocess
from pathlib import Path

BENCH = Path(__file__).parents[1]


def compiled(source: str, folder: Path) -> Path:
    """The program made of ``source``, a path below bench/, and put into ``folder``."""
    program = folder / Path(source).stem
    try:
        subprocess.run(
            ["cc", "-O2", "-Wall", "-o", program, BENCH / source], check=True, capture_output=True
        )
    except FileNotFoundError as error:
        raise SystemExit("the bench needs a C compiler; install one that answers to cc") from error
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{source} does not compile: {error.stderr.decode()}") from error
    return program
