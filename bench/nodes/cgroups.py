"""Cgroups of many jobs, in the layout of the local scheduler: one in every hierarchy there is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# The hierarchies that tell of a job; cpu and cpuacct may be one directory.
_HIERARCHIES = ("cpu", "cpuacct", "cpuset", "memory", "pids", "unified")
_PREFIX = "jobmend_b"  # of the parents, before the pid of their bench
_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
_CAPTURED = Path(__file__).parents[2] / "tests/trees/slurm_v2/cgroup/system.slice"


class JobCgroups:
    """The cgroups of this bench's jobs, below one parent of its own in each hierarchy."""

    def __init__(self, root: Path, parents: list[Path], kind: str) -> None:
        """Jobs below ``parents``; ``root`` is what an agent is to take for /sys/fs/cgroup."""
        self.root = root
        self.parents = parents
        self.kind = kind  # "kernel", or "files": a tree without a kernel behind it
        self.made = 0  # jobs ever made; the number of the next one

    def make(self) -> list[Path]:
        """Make the cgroups of one more job."""
        directories = [parent / job_name(self.made) for parent in self.parents]
        for directory in directories:
            if self.kind == "files":
                shutil.copytree(_CAPTURED / "slurmstepd.scope/job_3385", directory)
                continue
            directory.mkdir()
            _fill_cpuset(directory, self.made % (os.cpu_count() or 1))
        self.made += 1
        return directories

    def drop(self, directories: list[Path]) -> None:
        """Remove the cgroups of one job whose process has ended."""
        for directory in directories:
            if self.kind == "files":
                shutil.rmtree(directory)
            else:
                remove_cgroup(directory)

    def remove(self) -> None:
        """Remove all that is left; the processes in them must have ended."""
        for parent in self.parents:
            if self.kind == "files":
                shutil.rmtree(parent, ignore_errors=True)
                continue
            with suppress(FileNotFoundError):
                for entry in parent.iterdir():
                    if entry.is_dir():
                        remove_cgroup(entry)
                remove_cgroup(parent)


def job_name(number: int) -> str:
    """The directory of a job."""
    return f"job_{job_id(number)}.{job_run(number)}"


def job_id(number: int) -> str:
    """The id of a job of a bench, as long as those of a busy cluster."""
    return str(7_000_000 + number)


def job_run(number: int) -> str:
    """The run of a job, a ULID."""
    return f"01{number:024d}"


@contextmanager
def job_cgroups(folder: Path) -> Iterator[JobCgroups]:
    """Real cgroups, or files where this user may make none; removed at the end.

    ``folder`` becomes the root that an agent looks at. It leads to the cgroups of this bench alone:
    whatever else runs on the machine is not measured along.
    """
    sweep()
    name = f"{_PREFIX}{os.getpid()}"
    parents = [tree / name for tree in _hierarchies()]
    jobs = JobCgroups(folder, parents, "kernel")
    folder.mkdir()
    try:
        try:
            _make_parents(folder, parents)
        except OSError:
            jobs.remove()
            shutil.rmtree(folder)
            (folder / name).mkdir(parents=True)
            jobs = JobCgroups(folder, [folder / name], "files")
        if len(jobs.parents) == 1:  # one hierarchy, that of v2
            (folder / "cgroup.controllers").write_text(" ".join(_CONTROLLERS) + "\n")
        yield jobs
    finally:
        jobs.remove()


def sweep() -> None:
    """Remove what a bench left that was killed: an agent beside it would take that for jobs."""
    for parent in (found for tree in _hierarchies() for found in tree.glob(f"{_PREFIX}*")):
        if _is_at_work(parent.name[len(_PREFIX) :]):
            continue
        for directory in sorted(filter(Path.is_dir, parent.rglob("*")), reverse=True):
            _remove_if_empty(directory)
        _remove_if_empty(parent)


def _is_at_work(pid: str) -> bool:
    try:
        return b"python" in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def _make_parents(folder: Path, parents: list[Path]) -> None:
    """Make the parents and lead to them from ``folder``; OSError where that cannot be."""
    if not parents:
        raise FileNotFoundError(f"{ROOT}: no hierarchy is mounted there")
    for parent in parents:
        parent.mkdir()
        _fill_cpuset(parent, None)
        _delegate(parent)
        shown = folder if len(parents) == 1 else folder / parent.parent.name
        shown.mkdir(exist_ok=True)
        (shown / parent.name).symlink_to(parent)


def enter(directories: list[Path], pid: int) -> None:
    """Move a process into cgroups."""
    for directory in directories:
        (directory / "cgroup.procs").write_text(str(pid))


def remove_cgroup(directory: Path, seconds: float = 5.0) -> None:
    """Remove a cgroup, once the kernel has buried the processes that lived in it."""
    end = time.monotonic() + seconds
    while True:
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [ROOT / name for name in _HIERARCHIES if (ROOT / name).is_dir()]


def _fill_cpuset(directory: Path, cpu: int | None) -> None:
    """Give a cpuset its CPU, None: all of its parent's; v1 lets no process in before that."""
    for name, wanted in (("cpuset.cpus", cpu), ("cpuset.mems", None)):
        above = directory.parent / name
        if not (directory / name).exists():
            continue
        if wanted is None and above.exists():
            given = above.read_text().strip()
        else:
            given = "" if wanted is None else str(wanted)
        if given:
            (directory / name).write_text(given)


def _delegate(parent: Path) -> None:
    """Switch on what the jobs below are to tell; v1 hierarchies tell it anyway."""
    switch = parent / "cgroup.subtree_control"
    if switch.exists():
        for controller in (parent / "cgroup.controllers").read_text().split():
            with suppress(OSError):
                switch.write_text(f"+{controller}")
