"""What can be measured of a job: which file of which hierarchy tells it, in order of preference."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from . import parsers
from .cgroups import UNIFIED
from .files import Descriptors, Gone, KernelFile

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Source(Generic[_Value]):
    """One way to a measure: files of a controller's directory and what reads their contents."""

    controller: str
    files: tuple[str, ...]
    parse: Callable[..., _Value]


CPU = (
    Source(UNIFIED, ("cpu.stat",), parsers.cpu_stat),
    Source("cpuacct", ("cpuacct.usage_user", "cpuacct.usage_sys"), parsers.cpuacct_usage),
    Source("cpuacct", ("cpuacct.stat",), parsers.cpuacct_stat),
)
THROTTLED_V1 = (Source("cpu", ("cpu.stat",), parsers.throttled_v1),)
CPU_PRESSURE = (Source(UNIFIED, ("cpu.pressure",), parsers.pressure),)
MEMORY_PRESSURE = (Source(UNIFIED, ("memory.pressure",), parsers.pressure),)
IO_PRESSURE = (Source(UNIFIED, ("io.pressure",), parsers.pressure),)
MEMORY_CURRENT = (
    Source(UNIFIED, ("memory.current",), parsers.amount),
    Source("memory", ("memory.usage_in_bytes",), parsers.amount),
)
MEMORY_STAT = (
    Source(UNIFIED, ("memory.stat",), parsers.memory_stat),
    Source("memory", ("memory.stat",), parsers.memory_stat_v1),
)
MEMORY_SWAP = (Source(UNIFIED, ("memory.swap.current",), parsers.amount),)
MEMORY_PEAK = (
    Source(UNIFIED, ("memory.peak",), parsers.amount),
    Source("memory", ("memory.max_usage_in_bytes",), parsers.amount),
)
MEMORY_LIMIT = (
    Source(UNIFIED, ("memory.max",), parsers.limit),
    Source("memory", ("memory.limit_in_bytes",), parsers.limit),
)
OOM = (Source(UNIFIED, ("memory.events",), parsers.oom_events),)
IO = (Source(UNIFIED, ("io.stat",), parsers.io_stat),)
CPUSET = (
    Source(UNIFIED, ("cpuset.cpus.effective",), parsers.cpu_list),
    Source("cpuset", ("cpuset.effective_cpus",), parsers.cpu_list),
    Source("cpuset", ("cpuset.cpus",), parsers.cpu_list),
)


class Measure(Generic[_Value]):
    """One measure of one job: the first source that is there, and its last good value.

    ``value`` is None where no source is there or none has given a value yet. A cgroup that goes,
    or a file that cannot be read or understood this time, leaves the last good value.
    """

    def __init__(
        self, sources: tuple[Source[_Value], ...], kept: Descriptors | None = None
    ) -> None:
        """Measure from the first of ``sources`` that is there, with descriptors out of ``kept``."""
        self._sources = sources
        self._kept = kept
        self._files: list[KernelFile] = []
        self._parse: Callable[..., _Value] | None = None
        self._last: list[bytes] = []
        self._controller = ""
        self.lost = ""  # the controller whose directory was removed under it
        self.value: _Value | None = None

    def attach(self, directories: Mapping[str, str]) -> None:
        """Look for a source in the job's directories, by controller, unless one is open."""
        if self._files:
            return
        for source in self._sources:
            if source.controller in directories and self._open(
                source, directories[source.controller]
            ):
                return

    def _open(self, source: Source[_Value], directory: str) -> bool:
        files: list[KernelFile] = []
        try:
            for name in source.files:
                files.append(KernelFile(os.path.join(directory, name), self._kept))
        except OSError:  # not offered here, or gone again
            for file in files:
                file.close()
            return False
        self._files, self._parse, self._controller = files, source.parse, source.controller
        return True

    def read(self) -> _Value | None:
        """Read the value now; the last good one where that fails."""
        if not self._files or self._parse is None:
            return self.value
        try:
            contents = [file.read() for file in self._files]
            if contents != self._last:
                self.value = self._parse(*contents)
                self._last = contents
        except Gone:
            self.lost = self._controller
            self.close()
        except (OSError, ValueError):
            pass  # pressure that is switched off, or a file half written: nothing this time
        return self.value

    def close(self) -> None:
        """Give the descriptors back; the last good value stays."""
        for file in self._files:
            file.close()
        self._files = []
