"""Starting and stopping what tests/testbed makes: a real Slurm, a real HTCondor pool."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

TESTBED = Path(__file__).parents[1] / "testbed"
SAID_LINES = 12


def up(script: str, env: Mapping[str, str], seconds: float) -> dict[str, str]:
    """Run ``script`` and return what it exports; where it fails, the failure is what it said."""
    ran = subprocess.run(
        [TESTBED / script], env=env, timeout=seconds, capture_output=True, text=True
    )
    if ran.returncode:
        said = "\n".join(ran.stderr.splitlines()[-SAID_LINES:])
        pytest.fail(f"{script} ended with {ran.returncode}:\n{said}", pytrace=False)
    return dict(shlex.split(line)[1].split("=", 1) for line in ran.stdout.splitlines())


def down(script: str, env: Mapping[str, str]) -> None:
    """Run ``script``, which stops what its counterpart started."""
    subprocess.run([TESTBED / script], env=env, check=True, timeout=180)
