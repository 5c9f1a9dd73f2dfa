"""Who a job is: the run, the workflow it belongs to, the site where it ran."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Run:
    """One execution of a job on a cluster; a requeue or a resubmission is another run.

    ``run`` tells executions of one job id apart. Slurm 26.05 and later: the SLUID. Slurm before:
    the restart count, the only such word its node hooks have (order of the rows in ``sacct -D``).
    HTCondor: GlobalJobId and the ordinal of the execution. Local: a ULID.
    """

    cluster: str
    scheduler: str
    job_id: str
    run: str

    @property
    def key(self) -> str:
        """The run as one string, unique over clusters and schedulers: ``cluster/slurm/42/0``."""
        return "/".join((self.cluster, self.scheduler, self.job_id, self.run))

    @classmethod
    def from_key(cls, key: str) -> Run:
        """Read :attr:`key` back; ValueError when it has not four parts."""
        parts = key.split("/")
        if len(parts) != 4 or not all(parts):
            raise ValueError(f"{key!r} is no run key; it reads cluster/scheduler/job/run")
        return cls(*parts)


@dataclass(frozen=True, order=True)
class Workflow:
    """The runs that belong together; ``name`` is unique on its cluster."""

    cluster: str
    name: str

    @property
    def key(self) -> str:
        """The workflow as one string: ``cluster/name`` (the name may hold further slashes)."""
        return f"{self.cluster}/{self.name}"


@dataclass(frozen=True, order=True)
class Site:
    """Where a run ran, by configuration: a partition, a node group, a GLIDEIN site."""

    cluster: str
    name: str


class SiteStatus(str, enum.Enum):
    """Was the site fit for work at the time in question?"""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
