"""Choosing how a job is confined, and clearing up after a supervisor that died."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .confine_tree import ProcessTree, processes_of
from .confine_v1 import CgroupV1
from .confine_v2 import CgroupV2
from .confinement import Confinement, Limits, kill_all
from .settings import Settings


def confine(settings: Settings, job_id: int, run: str, limits: Limits) -> Confinement:
    """The best place for a job this machine allows: its own cgroup, else its process tree."""
    for place in _cgroups(settings, job_id, run):
        try:
            place.create(limits)
            return place
        except OSError:
            place.remove()
    tree = ProcessTree()
    tree.create(limits)
    return tree


def sweep(settings: Settings, job_id: int, run: str) -> None:
    """Kill and remove what is left of a run that nobody supervises."""
    for place in _cgroups(settings, job_id, run):
        with contextlib.suppress(OSError):
            place.remove()
    kill_all(processes_of(run))


def _cgroups(settings: Settings, job_id: int, run: str) -> Iterator[Confinement]:
    parent, name = settings.cgroup_parent, f"job_{job_id}.{run}"
    yield CgroupV1(settings.cgroup_root, parent, name)
    yield CgroupV2(settings.cgroup_root, parent, name)
