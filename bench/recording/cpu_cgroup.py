"""A cgroup of the v1 hierarchy ``cpu``, in which a recording keeps jobs, neighbours and agent."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nodes.cgroups import remove_cgroup

HIERARCHY = Path("/sys/fs/cgroup/cpu")
SHARES = 4096  # 1024 is what a session of other programs has
NEIGHBOUR_SHARES = 2048  # beside the jobs' 1024 each: a neighbour that presses


class CpuCgroup:
    """The cgroup ``name`` and its children; where there is no such hierarchy it is nothing."""

    def __init__(self, name: str, hierarchy: Path = HIERARCHY) -> None:
        """Make it; OSError where this user may not."""
        self.path: Path | None = None
        if (hierarchy / "cpu.shares").exists() or (hierarchy / "cgroup.procs").exists():
            self.path = hierarchy / name
            self.path.mkdir(exist_ok=True)
            (self.path / "cpu.shares").write_text(str(SHARES))

    def entering(self, child: str, shares: int = 1024) -> Callable[[], None]:
        """What a new process calls to live in ``child``, which gets so many shares."""
        if self.path is None:
            return lambda: None
        place = self.path / child
        place.mkdir(exist_ok=True)
        (place / "cpu.shares").write_text(str(shares))

        def enter() -> None:
            (place / "cgroup.procs").write_text(str(os.getpid()))

        return enter

    def sweep(self) -> None:
        """Remove the children whose processes have ended."""
        if self.path is not None:
            for child in filter(Path.is_dir, self.path.iterdir()):
                with suppress(OSError):
                    child.rmdir()

    def remove(self) -> None:
        """Remove it all; the processes in it must have ended."""
        if self.path is not None and self.path.exists():
            for child in filter(Path.is_dir, self.path.iterdir()):
                remove_cgroup(child)
            remove_cgroup(self.path)
