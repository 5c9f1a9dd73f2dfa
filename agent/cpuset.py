"""Where a job may run, as the files of its cpuset say."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .cgroups import UNIFIED
from .files import Descriptors, Gone, KernelFile
from .ownership import Cpuset
from .parsers import cpu_list

# The threads in force, and those the job's own cgroup names; the first that is there serves.
_EFFECTIVE = (
    (UNIFIED, "cpuset.cpus.effective"),
    ("cpuset", "cpuset.effective_cpus"),
    ("cpuset", "cpuset.cpus"),  # before Linux 3.17
)
_OWN = ((UNIFIED, "cpuset.cpus"),)  # under v1 the file is never empty and does not tell


class CpusetFiles:
    """The cpuset of one job; ``value`` is the last good one, None where there is no cpuset."""

    def __init__(self, kept: Descriptors) -> None:
        """Read with descriptors out of ``kept``; nothing is open yet."""
        self._kept = kept
        self._files: list[KernelFile] = []
        self._contents: list[bytes] = []
        self.value: Cpuset | None = None

    def attach(self, directories: Mapping[str, str]) -> None:
        """Look for the files in a job's directories, by controller, unless they are open."""
        if self._files:
            return
        for places in (_EFFECTIVE, _OWN):
            for controller, name in places:
                try:
                    path = os.path.join(directories[controller], name)
                    self._files.append(KernelFile(path, self._kept))
                    break
                except (KeyError, OSError):
                    continue

    def read(self) -> bool:
        """Read the files; is the cpuset another one than before?"""
        try:
            contents = [file.read() for file in self._files]
            if not contents or contents == self._contents:
                return False
            own = len(contents) > 1 and bool(contents[1].strip())
            self.value = Cpuset(cpu_list(contents[0]), own)
            self._contents = contents
            return True
        except (OSError, Gone, ValueError):
            return False  # the last good one stays

    def close(self) -> None:
        """Give the descriptors back."""
        for file in self._files:
            file.close()
