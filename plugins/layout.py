"""Where a scheduler puts the cgroups of its jobs: globs find them, patterns read them.

And what a layout knows of the processes in them, for directories whose name does not tell the job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class JobPath:
    """What the path of a job's cgroup says about the job."""

    scheduler: str
    job_id: str  # empty where the path names only a run (SLUID) or a slot
    run: str = ""  # empty where the path does not say
    node: str = ""  # empty where there is one node per machine
    slot: str = ""  # HTCondor's, such as slot1_1@node1; the next job there has the same path


@dataclass(frozen=True)
class Identity:
    """What the processes in a job's cgroup tell about it; empty or None where they do not.

    The kernel vouches for ``uid`` alone. The rest may have been written by the job's user.
    """

    job_id: str
    run: str = ""
    user: str = ""
    uid: int | None = None
    started: float | None = None  # seconds since the epoch


class Unidentified(Exception):
    """The processes of a job tell nothing; ``reason`` is the word it is counted under."""

    def __init__(self, reason: str, why: str) -> None:
        """Keep the word, and the sentence for the log."""
        super().__init__(why)
        self.reason = reason


def identify_nothing(directories: Mapping[str, str], proc_root: str) -> Identity | None:
    """Of a layout whose paths say everything."""
    return None


def steps_unknown(proc_root: str) -> frozenset[str]:
    """Of a layout that does not know the processes that watch over its jobs."""
    return frozenset()


@dataclass(frozen=True)
class Layout:
    """One scheduler's layout. Paths are relative to the root of one hierarchy, without a slash.

    ``globs`` find directories that may be jobs; ``patterns`` say which are, and read them by the
    named groups ``job``, ``run``, ``node`` and ``slot``, each optional. ``v1_patterns`` read those
    that are jobs below a v1 controller alone.

    ``identify`` reads the processes in a job's directories, given by controller, below a root of
    procfs: None where none tells, Unidentified where none may be asked. ``steps`` are the ids of
    the jobs that have a step on this node, as the titles of processes tell.

    ``user_cgroups`` find, below a job's v2 directory, the cgroups of its users' processes, where
    processes of the scheduler's own live in the job's directory too.
    """

    scheduler: str
    globs: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    v1_patterns: tuple[re.Pattern[str], ...] = ()
    identify: Callable[[Mapping[str, str], str], Identity | None] = identify_nothing
    steps: Callable[[str], frozenset[str]] = steps_unknown
    user_cgroups: tuple[str, ...] = ()

    def read(self, path: str, *, unified: bool = False) -> JobPath | None:
        """The job behind a directory, or None where the path is no job of this scheduler.

        ``unified``: the path is one of cgroup v2.
        """
        for pattern in self.patterns if unified else (*self.patterns, *self.v1_patterns):
            match = pattern.fullmatch(path)
            if match is not None:
                named = {name: value or "" for name, value in match.groupdict().items()}
                return JobPath(
                    self.scheduler,
                    named.get("job", ""),
                    named.get("run", ""),
                    named.get("node", ""),
                    named.get("slot", ""),
                )
        return None
