"""What the processes of the node say about jobs that neither a path nor a hook names.

The registry decides and reads no file; what it wants to know of processes it asks here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..plugins.layout import Identity, JobPath, Layout
from ..plugins.processes import pids_below, read_process, real_uid
from .cgroups import LAYOUTS

MAX_PROCESSES = 64  # of one job whose users are looked at


class Resolver:
    """Asks the processes below one root of procfs. It keeps nothing; any thread may use it."""

    def __init__(self, proc_root: str, layouts: Sequence[Layout] = LAYOUTS) -> None:
        """Ask about jobs of ``layouts``."""
        self._proc_root = proc_root
        self._layouts = {layout.scheduler: layout for layout in layouts}

    def identify(self, path: JobPath, directories: Mapping[str, str]) -> Identity | None:
        """Who the job in these directories is; None while no process tells.

        Unidentified where its processes may not be asked, or contradict the path.
        """
        layout = self._layouts.get(path.scheduler)
        return None if layout is None else layout.identify(directories, self._proc_root)

    def path_of(self, pid: int, scheduler: str) -> JobPath | None:
        """The job of ``scheduler`` in whose cgroup a process lives, or None."""
        layout = self._layouts.get(scheduler)
        try:
            lines = os.fsdecode(read_process(self._proc_root, str(pid), "cgroup")).splitlines()
        except OSError:
            return None
        for line in lines if layout is not None else ():
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            job = _job_above(layout, path, unified=not controllers)
            if job is not None:
                return job
        return None

    def user_of(self, pid: int) -> int | None:
        """The user a process runs for, or None where it is gone."""
        return real_uid(self._proc_root, str(pid))

    def users_of(self, directories: Mapping[str, str]) -> frozenset[int]:
        """The users for whom processes run in a job's cgroups; empty where none lives."""
        for directory in directories.values():
            pids = pids_below(directory)
            if pids:
                users = (real_uid(self._proc_root, pid) for pid in pids[:MAX_PROCESSES])
                return frozenset(uid for uid in users if uid is not None)
        return frozenset()

    def steps(self, scheduler: str) -> frozenset[str]:
        """The ids of the jobs that a scheduler runs steps of here; a look at every process."""
        layout = self._layouts.get(scheduler)
        return frozenset() if layout is None else layout.steps(self._proc_root)


def _job_above(layout: Layout | None, path: str, *, unified: bool) -> JobPath | None:
    """The job whose directory is ``path`` or above it."""
    parts = path.strip("/").split("/")
    for length in range(1, len(parts) + 1):
        job = layout.read("/".join(parts[:length]), unified=unified) if layout else None
        if job is not None:
            return job
    return None
