"""A job in cgroup v1: one directory a controller, and one in the v2 tree of a hybrid host."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

from .confinement import (
    Limits,
    kill_all,
    make_job_directory,
    parse_oom_kills,
    read_pids,
    remove_job_directory,
    send_signal,
)

REQUIRED = ("memory", "cpuacct")
# "unified" is the v2 tree of a hybrid host: no controllers, but pressure (PSI) of each cgroup.
OPTIONAL = ("cpuset", "freezer", "unified")


class CgroupV1:
    """A memory limit by the kernel, CPUs by cpuset, freezing where there is a freezer."""

    method = "cgroup v1"

    def __init__(self, root: Path, parent: str, name: str) -> None:
        """Confine in ``<root>/<controller>/<parent>/<name>``; nothing is made yet."""
        self._root = root
        self._directories = {
            controller: root / controller / parent / name
            for controller in REQUIRED + OPTIONAL
            if (root / controller / "cgroup.procs").exists()
        }

    def create(self, limits: Limits) -> None:
        """Make the directories; OSError where memory or cpuacct is missing or not ours."""
        for controller in REQUIRED:
            if controller not in self._directories:
                raise OSError(errno.ENOTSUP, f"no v1 controller {controller}", str(self._root))
            make_job_directory(self._directories[controller])
        for controller in OPTIONAL:
            self._create_optional(controller)
        if "cpuset" in self._directories:
            _set_cpus(self._root / "cpuset", self._directories["cpuset"], limits.cpus)
        if limits.memory_bytes is not None:
            _limit_memory(self._directories["memory"], limits.memory_bytes)

    def _create_optional(self, controller: str) -> None:
        try:
            if controller in self._directories:
                make_job_directory(self._directories[controller])
        except OSError:
            del self._directories[controller]

    def enter(self, pid: int) -> None:
        """Move a process into every directory."""
        for directory in self._directories.values():
            (directory / "cgroup.procs").write_text(str(pid))

    def oom_kills(self) -> int:
        """The kernel's count of processes it killed."""
        try:
            return parse_oom_kills((self._directories["memory"] / "memory.oom_control").read_text())
        except OSError:
            return 0

    def peak_bytes(self) -> int | None:
        """The kernel's peak; file cache counts."""
        try:
            return int((self._directories["memory"] / "memory.max_usage_in_bytes").read_text())
        except OSError:
            return None

    def pids(self) -> list[int]:
        """The processes of all directories: one may be missing them while another has them."""
        return sorted({pid for path in self._directories.values() for pid in read_pids(path)})

    def freeze(self) -> None:
        """Freeze, or stop each process where there is no freezer."""
        if "freezer" in self._directories:
            (self._directories["freezer"] / "freezer.state").write_text("FROZEN")
        else:
            send_signal(self.pids(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        if "freezer" in self._directories:
            (self._directories["freezer"] / "freezer.state").write_text("THAWED")
        else:
            send_signal(self.pids(), signal.SIGCONT)

    def remove(self) -> None:
        """Kill and remove; what is frozen must thaw to die."""
        if self.pids():
            self.thaw()
            kill_all(self.pids)
        for directory in self._directories.values():
            remove_job_directory(directory)


def _limit_memory(directory: Path, limit: int) -> None:
    (directory / "memory.limit_in_bytes").write_text(str(limit))
    swap = directory / "memory.memsw.limit_in_bytes"
    if swap.exists():  # absent where the kernel does not account swap
        swap.write_text(str(limit))


def _set_cpus(root: Path, directory: Path, cpus: tuple[int, ...]) -> None:
    """A v1 cpuset starts empty and takes no process before it has CPUs and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        everything = (root / name).read_text()
        if not (directory.parent / name).read_text().strip():
            (directory.parent / name).write_text(everything)
        (directory / name).write_text(everything)
    allowed = cpus or tuple(sorted(os.sched_getaffinity(0)))
    (directory / "cpuset.cpus").write_text(",".join(map(str, allowed)))
