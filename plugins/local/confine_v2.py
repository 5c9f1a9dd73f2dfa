"""A job in cgroup v2: one directory with all controllers that may be had there."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from .confinement import (
    Limits,
    kill_all,
    make_job_directory,
    parse_oom_kills,
    read_pids,
    remove_job_directory,
)

CONTROLLERS = ("cpu", "memory", "cpuset", "io", "pids")
RUNNER = "jobmend_runner"


class CgroupV2:
    """Memory limit, CPUs and freezing by the kernel, in the root or in our delegated cgroup."""

    method = "cgroup v2"

    def __init__(
        self, root: Path, parent: str, name: str, own: str = "", root_user: bool | None = None
    ) -> None:
        """Confine below the mount ``root``: root there, others in ``own``, their own cgroup.

        By default ``own`` and ``root_user`` are what this process is.
        """
        if root_user is None:
            root_user = os.geteuid() == 0
        self._base = root if root_user else root / _delegated(own or own_cgroup()).lstrip("/")
        self._root = root
        self._directory = self._base / parent / name

    def create(self, limits: Limits) -> None:
        """Make the directory; OSError without cgroup v2, write access or memory controller."""
        if "memory" not in (self._base / "cgroup.controllers").read_text().split():
            raise OSError(errno.ENOTSUP, "no memory controller", str(self._base))
        if self._base != self._root:
            _make_room(self._base)
        _enable(self._base)
        self._directory.parent.mkdir(exist_ok=True)
        _enable(self._directory.parent)
        make_job_directory(self._directory)
        if not (self._directory / "memory.max").exists():
            raise OSError(errno.EBUSY, "the memory controller is not given", str(self._base))
        self._write("cpuset.cpus", ",".join(map(str, limits.cpus)))
        if limits.memory_bytes is not None:
            (self._directory / "memory.max").write_text(str(limits.memory_bytes))
            self._write("memory.swap.max", "0")
        self._write("memory.oom.group", "1")

    def enter(self, pid: int) -> None:
        """Move a process in."""
        (self._directory / "cgroup.procs").write_text(str(pid))

    def oom_kills(self) -> int:
        """The kernel's count of processes it killed."""
        try:
            return parse_oom_kills((self._directory / "memory.events").read_text())
        except OSError:
            return 0

    def peak_bytes(self) -> int | None:
        """The kernel's peak, file cache counts; None before Linux 5.19."""
        try:
            return int((self._directory / "memory.peak").read_text())
        except OSError:
            return None

    def pids(self) -> list[int]:
        """The processes in it."""
        return read_pids(self._directory)

    def freeze(self) -> None:
        """Freeze."""
        (self._directory / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        """Go on."""
        (self._directory / "cgroup.freeze").write_text("0")

    def remove(self) -> None:
        """Kill, frozen or not, and remove."""
        kill_all(self.pids)
        remove_job_directory(self._directory)

    def _write(self, name: str, value: str) -> None:
        """Set what the kernel offers here; not every controller can be had everywhere."""
        path = self._directory / name
        if path.exists():
            path.write_text(value)


def own_cgroup(proc_root: Path = Path("/proc")) -> str:
    """The v2 cgroup of this process, ``/`` where there is none."""
    try:
        text = (proc_root / "self/cgroup").read_text()
    except OSError:
        return "/"
    return next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")


def _delegated(own: str) -> str:
    """The cgroup given to us: our own, or the one above where an earlier run moved us down."""
    path = Path(own)
    return str(path.parent if path.name == RUNNER else path)


def _make_room(base: Path) -> None:
    """Move processes down: a v2 cgroup that holds some gives its children no controllers."""
    residents = read_pids(base)
    if not residents:
        return
    runner = base / RUNNER
    runner.mkdir(exist_ok=True)
    for pid in residents:
        with contextlib.suppress(ProcessLookupError):
            (runner / "cgroup.procs").write_text(str(pid))


def _enable(directory: Path) -> None:
    for controller in CONTROLLERS:
        with contextlib.suppress(OSError):  # not there, or not ours to give
            (directory / "cgroup.subtree_control").write_text(f"+{controller}")
