"""OOM kills under cgroup v1, where each cgroup counts its own and none those below it.

The kill is booked on the cgroup of the task killed (Slurm: .../step_0/task_0), so the job's is the
sum over its tree. Cgroups that were removed keep the count last seen there.
"""

from __future__ import annotations

import os

from .files import Gone, KernelFile
from .parsers import oom_kills_v1

_MAX_CGROUPS = 512  # looked into for one job


class OomKillsV1:
    """Counts the OOM kills in a job's directory of the memory controller and below it."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._seen: dict[str, int] = {}

    def read(self, directory: str) -> int | None:
        """Kills so far, or None where the kernel does not count them (before 4.13)."""
        for place, (cgroup, below, _) in enumerate(os.walk(directory)):
            if place >= _MAX_CGROUPS:
                below.clear()
                break
            try:
                kills = oom_kills_v1(KernelFile(os.path.join(cgroup, "memory.oom_control")).read())
            except (OSError, Gone, ValueError):
                continue
            self._seen[cgroup] = max(self._seen.get(cgroup, 0), kills)
        return sum(self._seen.values()) if self._seen else None
