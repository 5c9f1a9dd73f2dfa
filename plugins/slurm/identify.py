"""Jobs by the titles slurmstepd gives itself: ``slurmstepd: [3385.0]`` is a step of job 3385.

Where the directory is named by a SLUID, these processes are listed in step_<n>/slurm of the job's
v2 cgroup. A title is written by slurmstepd, which runs as root, but any process may write one: a
user's is not believed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from ..layout import Identity
from ..processes import read_process, real_uid

_TITLE = re.compile(rb"slurmstepd: \[(\d{1,10})\.")
_MAX_PROCESSES = 64  # looked at for one job


def identify(directories: Mapping[str, str], proc_root: str) -> Identity | None:
    """The job whose steps run in a job's directories, or None where no title tells."""
    for scope in directories.values():
        for pid in _step_daemons(scope)[:_MAX_PROCESSES]:
            job_id = _job_of(proc_root, pid)
            if job_id:
                return Identity(job_id)
    return None


def steps(proc_root: str) -> frozenset[str]:
    """The ids of the jobs that have a step on this node: a look at every process."""
    try:
        pids = [name for name in os.listdir(proc_root) if name.isdigit()]
    except OSError:
        return frozenset()
    return frozenset(_jobs(proc_root, pids))


def _jobs(proc_root: str, pids: Iterable[str]) -> Iterable[str]:
    for pid in pids:
        job_id = _job_of(proc_root, pid)
        if job_id and real_uid(proc_root, pid) in (0, None):
            yield job_id


def _job_of(proc_root: str, pid: str) -> str:
    try:
        found = _TITLE.match(read_process(proc_root, pid, "cmdline"))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _step_daemons(scope: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(scope) if name.startswith("step_"))
    except OSError:
        return []
    pids: list[str] = []
    for name in names[:_MAX_PROCESSES]:
        try:
            with open(os.path.join(scope, name, "slurm", "cgroup.procs"), "rb") as file:
                pids += [pid.decode() for pid in file.read(65536).split() if pid.isdigit()]
        except OSError:
            continue
    return pids
