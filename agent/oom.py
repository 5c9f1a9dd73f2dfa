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


class _Cgroup:
    """One cgroup of the job: its own kills, and whether others came or went in it."""

    __slots__ = ("directory", "file", "stamp", "raw", "kills")

    def __init__(self, path: str, kept: Descriptors) -> None:
        """OSError where it is gone, or the kernel does not count kills."""
        self.file = KernelFile(os.path.join(path, "memory.oom_control"), kept)
        # Kept open as well: a look at a descriptor costs a fifth of one at a path.
        self.directory = KernelFile(path, kept)
        self.raw = b""
        self.kills: int | None = None
        self.stamp = self.stamp_now()

    def stamp_now(self) -> tuple[int, int]:
        """What changes when a cgroup is made or removed in this one."""
        try:
            kept = self.directory.descriptor
            found = os.stat(kept if kept >= 0 else self.directory.path)
        except OSError:
            return (0, 0)
        return (found.st_nlink, found.st_mtime_ns)

    def read(self) -> None:
        """Read the kills; Gone where the cgroup was removed."""
        raw = self.file.read()
        if raw != self.raw:
            self.raw = raw
            self.kills = max(self.kills or 0, int(_PARSE(raw)[0]))

    def close(self) -> None:
        self.file.close()
        self.directory.close()


class OomKillsV1:
    """Counts the OOM kills in a job's directory of the memory controller and below it."""

    def __init__(self, directory: str, kept: Descriptors) -> None:
        """Count below ``directory``, with descriptors out of ``kept``."""
        self._directory = directory
        self._kept = kept
        self._cgroups: dict[str, _Cgroup] = {}
        self._of_the_gone: int | None = None

    def read(self) -> int | None:
        """Kills so far, or None where the kernel does not count them (before 4.13)."""
        if not self._cgroups or any(one.stamp_now() != one.stamp for one in self._cgroups.values()):
            self._look()
        for path, cgroup in list(self._cgroups.items()):
            try:
                cgroup.read()
            except Gone:
                self._leave(path)
            except (OSError, ValueError):
                continue
        told = [self._of_the_gone, *(cgroup.kills for cgroup in self._cgroups.values())]
        known = [kills for kills in told if kills is not None]
        return sum(known) if known else None

    def _look(self) -> None:
        """Find the cgroups that are there now."""
        for place, (path, below, _) in enumerate(os.walk(self._directory)):
            if place >= _MAX_CGROUPS:
                below.clear()
                break
            if path in self._cgroups:
                self._cgroups[path].stamp = self._cgroups[path].stamp_now()
                continue
            try:
                self._cgroups[path] = _Cgroup(path, self._kept)
            except OSError:
                continue

    def _leave(self, path: str) -> None:
        cgroup = self._cgroups.pop(path)
        if cgroup.kills is not None:
            self._of_the_gone = (self._of_the_gone or 0) + cgroup.kills
        cgroup.close()

    def close(self) -> None:
        """Give all descriptors back; the count stays."""
        for path in list(self._cgroups):
            self._leave(path)
