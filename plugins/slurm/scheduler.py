"""Slurm as a scheduler: history from sacct, actions by scontrol and scancel."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.events import JobEvent
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from ..scheduler import SchedulerError, Step, call
from . import accounting, actions, history
from .accounting import Row

JOBS_PER_CALL = 1000  # ids in one sacct command line
MAX_ADDRESSES = 200_000  # jobs whose address is remembered
FIRST_REACH_SECONDS = 86400.0  # how far back the first call looks for the addresses of jobs
LATE_SECONDS = 60.0  # the controller tells the database of an end some time after it
SETTLE_SECONDS = 90.0  # for a stopped job to leave its nodes: KillWait, then Epilog

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
    ) -> None:
        """Talk to ``cluster`` with the commands in ``bin_dir`` (default: PATH).

        Of ``env`` (default: this process's) only PATH and SLURM_CONF are passed on. ``sites``
        are the partitions that may stand in for each other. ValueError for an unknown word in
        ``workflow_from``.
        """
        unknown = set(workflow_from) - set(history.WORKFLOW_SOURCES)
        if unknown:
            known = ", ".join(history.WORKFLOW_SOURCES)
            raise ValueError(f"workflow_from: {sorted(unknown)} are none of {known}")
        self._cluster = cluster
        self._workflow_from = tuple(workflow_from)
        self._sites = tuple(sites)
        self._env = _clean(os.environ if env is None else env, bin_dir)
        self._fields: tuple[str, ...] = ()
        self._addresses: dict[str, str] = {}

    def history(self, since: float) -> list[JobEvent]:
        """START and OUTCOME events of runs that were active after ``since`` (epoch seconds).

        Runs that ended up to LATE_SECONDS earlier are told again.
        """
        now = time.time()
        since = min(since, now) - LATE_SECONDS
        rows = self._sacct(since if self._addresses else min(since, now - FIRST_REACH_SECONDS))
        self._remember(rows)
        if since > 0:  # a run's ordinal needs its job's earlier rows too
            active = {row.job_id for row in rows if row.ended is None or row.ended >= since}
            jobs = sorted(active, key=int)
            chunks = range(0, len(jobs), JOBS_PER_CALL)
            rows = [
                row
                for start in chunks
                for row in self._sacct(jobs=jobs[start : start + JOBS_PER_CALL])
            ]
            self._remember(rows)
        return list(history.events(rows, self._cluster, self._workflow_from, since, now))

    def plan(self, action: Action, runs: Sequence[RunRecord]) -> list[Step]:
        """The steps of ``action`` on ``runs``; Refused where Slurm cannot do it."""
        return actions.plan(action, runs, self._addresses, self._sites)

    def execute(self, step: Step) -> tuple[Run, ...]:
        """Carry one step out and return the run it brought about; SchedulerError if it fails."""
        if step.argv[:2] in (("scontrol", "update"), ("scontrol", "release")):
            self._settle(step.argv[2].rpartition("=")[2])
        call(step.argv, env=self._env)
        return (step.follow_up,) if step.follow_up else ()

    def _sacct(self, since: float = 0.0, jobs: Sequence[str] = ()) -> list[Row]:
        if not self._fields:
            known = call(["sacct", "--helpformat"], env=self._env).upper().split()
            sluid = (accounting.SLUID,) if accounting.SLUID in known else ()
            self._fields = accounting.FIELDS + sluid
        delimiter = f"<{secrets.token_hex(8)}>"
        argv = accounting.command(self._fields, delimiter, since=since, jobs=jobs)
        try:
            return accounting.parse(call(argv, env=self._env), delimiter, self._fields)
        except accounting.AccountingError as error:
            raise SchedulerError(str(error), transient=True) from error

    def _remember(self, rows: Sequence[Row]) -> None:
        # A row that is not whole names an array's last task like the array itself.
        self._addresses.update((row.job_id, row.address) for row in rows if row.whole)
        surplus = len(self._addresses) - MAX_ADDRESSES
        for job_id in sorted(self._addresses, key=int)[: max(surplus, 0)]:
            del self._addresses[job_id]

    def _settle(self, address: str) -> None:
        """Wait until a job is off its nodes: what is changed before that, Slurm sets back."""
        deadline = time.monotonic() + SETTLE_SECONDS
        command = ["squeue", "--noheader", "--format=%T", f"--jobs={address}"]
        while "COMPLETING" in call(command, env=self._env):
            if time.monotonic() > deadline:
                raise SchedulerError(
                    f"job {address} is still completing after {SETTLE_SECONDS:g} s and stays held:"
                    f" change and release it by scontrol, or try again",
                    transient=True,
                )
            time.sleep(0.2)


def _clean(env: Mapping[str, str], bin_dir: str) -> dict[str, str]:
    path = env.get("PATH", _SYSTEM_PATH)
    clean = {"PATH": f"{bin_dir}:{path}" if bin_dir else path, **accounting.ENVIRONMENT}
    if "SLURM_CONF" in env:
        clean["SLURM_CONF"] = env["SLURM_CONF"]
    return clean
