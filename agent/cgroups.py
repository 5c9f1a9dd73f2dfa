"""Finding the cgroups of jobs: which hierarchies are mounted, which directories are jobs.

Everything is listed anew at each sample: jobs, scopes and mounts come and go while the agent runs.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..plugins.layout import JobPath, Layout
from ..plugins.local.cgroups import LAYOUT as LOCAL
from ..plugins.slurm.cgroups import LAYOUT as SLURM

LAYOUTS = (SLURM, LOCAL)

UNIFIED = "unified"  # the name of the v2 hierarchy here
_V1 = frozenset({"cpuacct", "cpu", "cpuset", "memory"})  # the v1 controllers that are read


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup tree and the controllers it tells of."""

    controllers: tuple[str, ...]
    root: str


@dataclass(frozen=True)
class Sighting:
    """The directories of one job, by controller, and its path below a hierarchy's root."""

    cgroup: str
    directories: dict[str, str]


def hierarchies(cgroup_root: str) -> list[Hierarchy]:
    """The trees below ``cgroup_root``: one of v2, or those of v1 and perhaps v2 at ``unified``.

    ``cpu`` and ``cpuacct`` that are links to ``cpu,cpuacct`` count once. Empty where nothing is
    mounted.
    """
    if os.path.exists(os.path.join(cgroup_root, "cgroup.controllers")):
        return [Hierarchy((UNIFIED,), cgroup_root)]
    found: list[Hierarchy] = []
    for name in sorted(_children(cgroup_root)):
        root = os.path.join(cgroup_root, name)
        if name == UNIFIED:
            found.append(Hierarchy((UNIFIED,), root))
        elif not os.path.islink(root):
            controllers = tuple(word for word in name.split(",") if word in _V1)
            if controllers:
                found.append(Hierarchy(controllers, root))
    return found


def find_jobs(
    trees: Iterable[Hierarchy], layouts: Sequence[Layout] = LAYOUTS
) -> dict[JobPath, Sighting]:
    """The jobs whose cgroups exist now; a job has one directory in each hierarchy it uses."""
    jobs: dict[JobPath, Sighting] = {}
    for tree in trees:
        for layout in layouts:
            for path in _expand_all(tree.root, layout.globs):
                job = layout.read(path)
                if job is None:
                    continue
                sighting = jobs.setdefault(job, Sighting(path, {}))
                for controller in tree.controllers:
                    sighting.directories.setdefault(controller, os.path.join(tree.root, path))
    return jobs


def _expand_all(root: str, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from _expand(root, "", pattern.split("/"))


def _expand(root: str, path: str, segments: list[str]) -> Iterator[str]:
    """Directories below ``root`` that match, as paths relative to it."""
    if not segments:
        yield path
        return
    names: Iterable[str] = (segments[0],)
    if "*" in segments[0]:
        wanted = _matcher(segments[0])
        names = (name for name in _children(os.path.join(root, path)) if wanted.match(name))
    for name in names:
        yield from _expand(root, f"{path}/{name}" if path else name, segments[1:])


@functools.cache
def _matcher(segment: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(segment))


def _children(directory: str) -> list[str]:
    """Names of the directories in ``directory``; none where it is gone or may not be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []
