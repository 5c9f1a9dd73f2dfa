"""OOM kills under cgroup v1, where each cgroup counts its own and none those below it.

The kill is booked on the cgroup of the task killed (Slurm: .../step_0/task_0), so the job's is the
sum over its tree. Cgroups that were removed keep the count last seen there.
"""

from __future__ import annotations

import os

from .files import Descriptors, Gone, KernelFile
from .parsers import Lines

_MAX_CGROUPS = 512  # looked into for one job
_PARSE = Lines(b"oom_kill")  # Linux 4.13


class OomKillsV1:
    """Counts the OOM kills in a job's directory of the memory controller and below it."""

    def __init__(self, directory: str, kept: Descriptors) -> None:
        """Count below ``directory``, with descriptors out of ``kept``."""
        self._directory = directory
        self._kept = kept
        self._files: dict[str, KernelFile] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, int] = {}

    def read(self) -> int | None:
        """Kills so far, or None where the kernel does not count them (before 4.13)."""
        if (
            any(_stamp(cgroup) != stamp for cgroup, stamp in self._stamps.items())
            or not self._files
        ):
            self._look()
        for cgroup, file in list(self._files.items()):
            try:
                (kills,) = _PARSE(file.read())
            except Gone:
                del self._files[cgroup]
            except (OSError, ValueError):
                continue
            else:
                self._seen[cgroup] = max(self._seen.get(cgroup, 0), int(kills))
        return sum(self._seen.values()) if self._seen else None

    def _look(self) -> None:
        """Find the cgroups that are there now."""
        self._stamps = {}
        for cgroup, below, _ in os.walk(self._directory):
            if len(self._stamps) >= _MAX_CGROUPS:
                below.clear()
                break
            self._stamps[cgroup] = _stamp(cgroup)
            if cgroup not in self._files:
                try:
                    path = os.path.join(cgroup, "memory.oom_control")
                    self._files[cgroup] = KernelFile(path, self._kept)
                except OSError:
                    continue

    def close(self) -> None:
        """Give all descriptors back; the count stays."""
        for file in self._files.values():
            file.close()
        self._files = {}


def _stamp(directory: str) -> tuple[int, int]:
    """What changes when a cgroup is made or removed in ``directory``."""
    try:
        found = os.stat(directory)
    except OSError:
        return (0, 0)
    return (found.st_nlink, found.st_mtime_ns)
