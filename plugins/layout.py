"""Where a scheduler puts the cgroups of its jobs: globs find them, a pattern reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class JobPath:
    """What the path of a job's cgroup says about the job."""

    scheduler: str
    job_id: str  # empty where the path names only a run (SLUID) or a slot
    run: str = ""  # empty where the path does not say
    node: str = ""  # empty where there is one node per machine


@dataclass(frozen=True)
class Layout:
    """One scheduler's layout. Paths are relative to the root of one hierarchy, without a slash.

    ``globs`` find job directories (v1: under a controller's mount, v2: under the unified one);
    ``pattern`` has the named groups ``job``, ``run`` and ``node``, each optional.
    """

    scheduler: str
    globs: tuple[str, ...]
    pattern: re.Pattern[str]

    def read(self, path: str) -> JobPath | None:
        """The job behind a directory, or None where the path is no job of this scheduler."""
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        named = {key: value or "" for key, value in match.groupdict().items()}
        return JobPath(
            self.scheduler, named.get("job", ""), named.get("run", ""), named.get("node", "")
        )
