"""Accounting read by pyslurm, where it is installed and made for this very release of Slurm.

pyslurm.db tells of each job its newest run alone. So a job that was requeued, and one of which it
does not tell whether it was, is asked for by sacct. Source: pyslurm's API Reference, pyslurm.db.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...jobs.text import printable
from ..scheduler import SchedulerError, call
from .accounting import Row
from .sacct import SacctReader

_RELEASE = re.compile(r"(\d+\.\d+)")


class PyslurmReader:
    """Asks pyslurm for the jobs, and sacct for those of which it does not know all runs."""

    slice_seconds = 3 * 3600.0  # one answer is held in memory as a whole

    def __init__(self, cluster: str, env: Mapping[str, str]) -> None:
        """Read this cluster's jobs; nothing is imported yet."""
        self._cluster = cluster
        self._env = dict(env)
        self._sacct = SacctReader(env)
        self._db: Any = None

    @property
    def sluids(self) -> bool:
        """Are runs named by SLUIDs? pyslurm tells none."""
        return False

    def open(self) -> None:
        """Import pyslurm; SchedulerError where it is missing or made for another release."""
        self._sacct.open()
        if self._db is None:
            self._db = _matching(call(["sacct", "--version"], env=self._env)).db

    def active(self, since: float, until: float = math.inf) -> Iterator[Row]:
        """The rows of jobs that were active between two times (epoch), of each the newest."""
        self.open()
        asked = {"start_time": max(int(since), 86400), "clusters": [self._cluster]}
        if until < math.inf:
            asked["end_time"] = math.ceil(until)
        try:
            jobs = self._db.Jobs.load(self._db.JobFilter(**asked))
        except Exception as error:  # the boundary to a library whose errors are not ours
            raise SchedulerError(
                f"pyslurm: {printable(str(error), 300)}", transient=True
            ) from error
        listed: Iterable[Any] = jobs.values() if hasattr(jobs, "values") else jobs
        return (as_row(job) for job in listed)

    def all_of(self, job_ids: Sequence[str]) -> Iterator[Row]:
        """All rows of these jobs, as sacct tells them."""
        return self._sacct.all_of(job_ids)


def _matching(version: str) -> Any:
    """The module pyslurm, if it is there and made for the release in ``version``."""
    wanted = _release(version)
    try:
        module = importlib.import_module("pyslurm")
    except ImportError as error:
        raise SchedulerError(
            f"pyslurm cannot be imported ({printable(str(error), 200)}): install the one made for"
            f" Slurm {wanted}, or set reader to sacct"
        ) from error
    made = str(getattr(module, "__version__", "of no version"))
    if _release(made) != wanted:
        raise SchedulerError(
            f"pyslurm {printable(made, 40)} is made for another release than this Slurm {wanted}:"
            " install the one that matches, or set reader to sacct"
        )
    return module


def _release(version: str) -> str:
    found = _RELEASE.search(version)
    return found[1] if found else version.strip()


def as_row(job: Any) -> Row:
    """A ``pyslurm.db.Job`` as a row. Memory is told in MiB for all nodes, the limit in minutes."""
    requeued = getattr(job, "requeue_count", None)
    state, killer = str(job.state), job.cancelled_by
    memory, minutes, ended = job.memory, job.time_limit, job.end_time or None
    return Row(
        job_id=str(job.id),
        address=_address(job),
        name=job.name or "",
        user=job.user_name or "",
        account=job.account or "",
        partition=job.partition or "",
        state=f"{state} by {killer}" if state == "CANCELLED" and killer else state,
        code=job.exit_code if ended is not None else None,
        signal=(job.exit_code_signal or None) if ended is not None else None,
        submitted=float(job.submit_time),
        started=job.start_time or None,
        ended=ended,
        memory_bytes=int(memory * 2**20 / (job.num_nodes or 1)) if memory else None,
        walltime_seconds=60.0 * minutes if isinstance(minutes, int) else None,
        cpus=job.cpus,
        comment=job.comment or "",
        wckey=job.wckey or "",
        restarts=0 if requeued == 0 else None,
    )


def _address(job: Any) -> str:
    if not job.array_id:
        return str(job.id)
    if job.array_task_id is None:
        return f"{job.array_id}_[{job.array_tasks_waiting or ''}]"
    return f"{job.array_id}_{job.array_task_id}"
