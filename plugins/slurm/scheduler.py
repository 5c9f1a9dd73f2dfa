"""Slurm as a scheduler: history from accounting, node states, actions by scontrol and scancel."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.events import JobEvent
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ..scheduler import Nodes, Step
from . import accounting, actions, history, nodes
from .accounting import Row
from .carrying import carry_out
from .pyslurm_reader import PyslurmReader
from .reader import Reader, slices, told_rows
from .rest import RestAccess, RestReader
from .sacct import SacctReader

MAX_ADDRESSES = 200_000  # jobs whose address is remembered
FIRST_REACH_SECONDS = 86400.0  # how far back the first call looks for the addresses of jobs
LATE_SECONDS = 60.0  # the controller tells the database of an end some time after it

READERS = ("sacct", "rest", "pyslurm")

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class SlurmScheduler:
    """One Slurm cluster, by its commands; needs an account with AdminLevel=Operator."""

    name = "slurm"

    def __init__(
        self,
        cluster: str,
        workflow_from: Sequence[str] = ("comment", "wckey", "name"),
        bin_dir: str = "",
        env: Mapping[str, str] | None = None,
        sites: Sequence[str] = (),
        *,
        reader: str = "sacct",
        rest: RestAccess | None = None,
        workflow_pattern: str = "",
        splitting_command: Sequence[str] = (),
        data_access: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Talk to ``cluster`` with the commands in ``bin_dir`` (default: PATH).

        Of ``env`` (default: this process's) only PATH and SLURM_CONF are passed on. ``sites``
        are the partitions that may stand in for each other. ``reader`` is one of READERS; "rest"
        needs ``rest``. ``workflow_pattern`` is a regular expression with a group ``workflow``, for
        the word "pattern" in ``workflow_from``. ValueError for settings of no use.
        """
        self._cluster = cluster
        self._named_by = history.sources(workflow_from, workflow_pattern)
        self._sites = tuple(sites)
        self._env = _clean(os.environ if env is None else env, bin_dir)
        self._reader = _reader(reader, rest, cluster, self._env)
        self._splitting_command = tuple(splitting_command)
        self._data_access = data_access
        self._addresses: dict[str, str] = {}

    def history(self, since: float, until: float = math.inf) -> Iterator[JobEvent]:
        """QUEUED, START and OUTCOME events of runs that ended between two times (epoch seconds).

        Without ``until`` also of those that wait or run. Runs that ended up to LATE_SECONDS before
        ``since`` are told again. SchedulerError at once where there is nothing to read with.
        """
        self._reader.open()
        return self._told(since, until)

    def _told(self, since: float, until: float) -> Iterator[JobEvent]:
        now = time.time()
        since = reach = min(since, now) - LATE_SECONDS
        if until == math.inf and not self._addresses:
            reach = min(since, now - FIRST_REACH_SECONDS)
        note = self._remember if until == math.inf else _forget
        for start, end in slices(reach, until, now, self._reader.slice_seconds):
            for rows in told_rows(self._reader, start, end, since, note):
                yield from history.events(
                    rows, self._cluster, self._named_by, now, max(start, since), end
                )

    def nodes(self, since: float) -> Nodes:
        """The partitions' nodes, and the outages that lasted after ``since`` (epoch seconds)."""
        if isinstance(self._reader, RestReader):
            return nodes.joined(self._reader.nodes(), (), since)
        return nodes.read(self._env, self._cluster, since)

    def plan(self, action: Action, runs: Sequence[RunRecord]) -> list[Step]:
        """The steps of ``action`` on ``runs``; Refused where Slurm cannot do it."""
        return actions.plan(
            action,
            runs,
            self._addresses,
            self._sites,
            splitting_command=self._splitting_command,
            data_access=self._data_access,
        )

    def execute(self, step: Step) -> tuple[Run, ...]:
        """Do what is left of a step and return the runs it brought about; or SchedulerError."""
        return carry_out(step, self._cluster, self._env, sluids=self._reader.sluids)

    def _remember(self, row: Row) -> None:
        # A row that is not whole names an array's last task like the array itself.
        if row.whole:
            self._addresses[row.job_id] = row.address
        if len(self._addresses) > MAX_ADDRESSES * 1.1:  # job ids go up: the lowest are the oldest
            for job_id in sorted(self._addresses, key=int)[:-MAX_ADDRESSES]:
                del self._addresses[job_id]


def _forget(row: Row) -> None:
    """Of a history that ends in the past nothing can be requeued: no address is needed."""


def _reader(word: str, rest: RestAccess | None, cluster: str, env: Mapping[str, str]) -> Reader:
    if word == "sacct":
        return SacctReader(env)
    if word == "pyslurm":
        return PyslurmReader(cluster, env)
    if word != "rest":
        raise ValueError(f"reader: {word!r} is none of {', '.join(READERS)}")
    if rest is None:
        raise ValueError("reader: rest needs the address, user and token file of slurmrestd")
    return RestReader(rest, cluster)


def _clean(env: Mapping[str, str], bin_dir: str) -> dict[str, str]:
    path = env.get("PATH", _SYSTEM_PATH)
    clean = {"PATH": f"{bin_dir}:{path}" if bin_dir else path, **accounting.ENVIRONMENT}
    if "SLURM_CONF" in env:
        clean["SLURM_CONF"] = env["SLURM_CONF"]
    return clean
