"""The job id behind a SLUID, from the title slurmstepd gives itself: ``slurmstepd: [3385.0]``.

Used where no hook told: the processes are listed in step_<n>/slurm of the job's v2 cgroup.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from .cgroups import UNIFIED

_TITLE = re.compile(rb"slurmstepd: \[(\d+)\.")
_MAX_PROCESSES = 64  # looked at for one job


def job_id_from_titles(directories: Mapping[str, str], proc_root: str) -> str:
    """The job id of the steps in a job's directories, or "" where no title tells."""
    scope = directories.get(UNIFIED)
    if scope is None:
        return ""
    for pid in _step_daemons(scope)[:_MAX_PROCESSES]:
        found = _TITLE.match(_read(os.path.join(proc_root, pid, "cmdline")))
        if found:
            return found[1].decode()
    return ""


def _step_daemons(scope: str) -> list[str]:
    try:
        steps = [name for name in os.listdir(scope) if name.startswith("step_")]
    except OSError:
        return []
    paths = [os.path.join(scope, step, "slurm", "cgroup.procs") for step in sorted(steps)]
    return [pid.decode() for path in paths for pid in _read(path).split()]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(65536)
    except OSError:
        return b""
