"""Finding the cgroups of jobs: which hierarchies are mounted, which directories are jobs.

Everything is listed anew at each look: jobs, scopes and mounts come and go while the agent runs.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..plugins.htcondor.cgroups import LAYOUT as HTCONDOR
from ..plugins.layout import JobPath, Layout
from ..plugins.local.cgroups import LAYOUT as LOCAL
from ..plugins.slurm.cgroups import LAYOUT as SLURM

LAYOUTS = (SLURM, HTCONDOR, LOCAL)

UNIFIED = "unified"  # the name of the v2 hierarchy here
_V1 = frozenset({"cpuacct", "cpu", "cpuset", "memory", "pids"})  # the v1 controllers that are read


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
    for name in sorted(_children(cgroup_root) or ()):
        root = os.path.join(cgroup_root, name)
        if name == UNIFIED:
            found.append(Hierarchy((UNIFIED,), root))
        elif not os.path.islink(root):
            controllers = tuple(word for word in name.split(",") if word in _V1)
            if controllers:
                found.append(Hierarchy(controllers, root))
    return found


class Finder:
    """Finds jobs again and again, and says where it looked."""

    def __init__(self, layouts: Sequence[Layout] = LAYOUTS) -> None:
        """Find the jobs of ``layouts``; nothing is read yet."""
        self._layouts = layouts
        self._steps = _steps(tuple(glob for layout in layouts for glob in layout.globs))
        # The directories listed last: a job that comes or goes is a change in one of them.
        self.listed: set[str] = set()
        self._read: dict[tuple[str, bool], JobPath | None] = {}  # the paths seen last

    def find(self, trees: Iterable[Hierarchy]) -> dict[JobPath, Sighting]:
        """The jobs whose cgroups exist now; a job has one directory in each hierarchy it uses."""
        jobs: dict[JobPath, Sighting] = {}
        before, self._read, self.listed = self._read, {}, set()
        for tree in trees:
            paths: list[str] = []
            _walk(tree.root, "", self._steps, paths, self.listed)
            unified = UNIFIED in tree.controllers
            for path in sorted(paths):
                place = (path, unified)
                known = place in before
                job = before[place] if known else _read(path, self._layouts, unified)
                self._read[place] = job
                if job is not None:
                    sighting = jobs.get(job)
                    if sighting is None:
                        sighting = jobs[job] = Sighting(path, {})
                    for controller in tree.controllers:
                        sighting.directories.setdefault(controller, f"{tree.root}/{path}")
        return jobs


def expand(directory: str, globs: Iterable[str]) -> list[str]:
    """The directories below ``directory`` that match one of ``globs``, relative to it."""
    found: list[str] = []
    _walk(directory, "", _steps(tuple(globs)), found, set())
    return found


def _read(path: str, layouts: Sequence[Layout], unified: bool) -> JobPath | None:
    for layout in layouts:
        job = layout.read(path, unified=unified)
        if job is not None:
            return job
    return None


# ---- globs, all at once: each directory is listed one time -------------------------------------


@dataclass
class _Steps:
    """What may stand below a directory, and whether the directory itself is the end of a glob."""

    end: bool = False
    names: dict[str, _Steps] = field(default_factory=dict)
    patterns: dict[str, _Steps] = field(default_factory=dict)


@functools.lru_cache(maxsize=16)
def _steps(globs: tuple[str, ...]) -> _Steps:
    root = _Steps()
    for glob in globs:
        here = root
        for segment in glob.split("/"):
            kind = here.patterns if "*" in segment else here.names
            here = kind.setdefault(segment, _Steps())
        here.end = True
    return root


def _walk(root: str, path: str, steps: _Steps, found: list[str], listed: set[str]) -> None:
    """Append the directories below ``root`` that match, as paths relative to it."""
    if steps.end:
        found.append(path)
    if not (steps.names or steps.patterns):
        return
    here = f"{root}/{path}" if path else root
    names = _children(here)
    if names is None:
        return
    listed.add(here)
    for name in names:
        below = _below(steps, name)
        if below is not None:
            _walk(root, f"{path}/{name}" if path else name, below, found, listed)


def _below(steps: _Steps, name: str) -> _Steps | None:
    """What may stand below a child of this name, by all globs that it matches."""
    matching = [steps.names[name]] if name in steps.names else []
    for glob, below in steps.patterns.items():
        if _matcher(glob)(name):
            matching.append(below)
    return _joined(matching) if len(matching) > 1 else matching[0] if matching else None


def _joined(parts: Sequence[_Steps]) -> _Steps:
    joined = _Steps(any(part.end for part in parts))
    for part in parts:
        for known, told in ((joined.names, part.names), (joined.patterns, part.patterns)):
            for segment, below in told.items():
                here = known.get(segment)
                known[segment] = below if here is None else _joined((here, below))
    return joined


@functools.lru_cache(maxsize=64)
def _matcher(segment: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(segment)).match


def _children(directory: str) -> list[str] | None:
    """Names of the directories in ``directory``; None where it is gone or may not be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return None
