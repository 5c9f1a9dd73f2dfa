"""Accounting read by ``sacct``: the reader that every release of Slurm has."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..scheduler import SchedulerError, call
from . import accounting
from .accounting import Row
from .pipe import stream

JOBS_PER_CALL = 1000

log = logging.getLogger(__name__)

# How sacct and sacctmgr begin to say that there is no accounting.
DISABLED = ("accounting storage is disabled", "supported accounting_storage plugin")
UNREACHABLE = ("Problem talking to the database", "failed to open persistent connection")


def explained(error: SchedulerError) -> SchedulerError:
    """The same with the cure, where accounting is off; transient where its database is away."""
    words = str(error)
    if any(mark in words for mark in DISABLED):
        return SchedulerError(
            f"{words}: this cluster keeps no accounting; run slurmdbd and set"
            " AccountingStorageType=accounting_storage/slurmdbd in slurm.conf"
        )
    away = error.transient or any(mark in words for mark in UNREACHABLE)
    return SchedulerError(words, transient=away)


class SacctReader:
    """Asks ``sacct`` and reads its answer while it comes."""

    slice_seconds = 86400.0

    def __init__(self, env: Mapping[str, str]) -> None:
        """Run sacct with this environment; nothing is asked yet."""
        self._env = dict(env)
        self._fields: tuple[str, ...] = ()

    def open(self) -> None:
        """See which fields this sacct knows."""
        if not self._fields:
            known = call(["sacct", "--helpformat"], env=self._env).upper().split()
            sluid = (accounting.SLUID,) if accounting.SLUID in known else ()
            self._fields = accounting.FIELDS + sluid

    @property
    def sluids(self) -> bool:
        """Are runs named by SLUIDs? False before :meth:`open`."""
        return accounting.SLUID in self._fields

    def active(self, since: float, until: float = math.inf) -> Iterator[Row]:
        """The rows of runs that were active between two times (epoch).

        sacct leaves out jobs that could never run, as they were held or waited for others, unless
        it is asked for how they ended, or by their numbers.
        """
        waited: set[tuple[str, float]] = set()
        waiting: set[str] = set()
        for row in self._rows(since=since, until=until):
            if _may_have_waited(row):
                waited.add(row.key)
            elif row.state == "PENDING":
                waiting.add(row.job_id)
            yield row
        # Without an end, sacct looks at the one moment that is the start.
        end = time.time() + 3600 if until == math.inf else until
        for row in self._rows(since=since, until=end, states=accounting.UNSTARTED):
            if _may_have_waited(row) and row.key not in waited:
                yield row
        if until == math.inf:
            yield from self._held_back(waiting)

    def _held_back(self, told: set[str]) -> Iterator[Row]:
        """The rows of jobs that wait and cannot run yet, but those ``told`` already."""
        try:
            listed = call(["squeue", "--noheader", "--states=PD", "--format=%A"], env=self._env)
        except SchedulerError as error:  # the database may be there while the controller is not
            log.warning("jobs that cannot run yet are not told: %s", error)
            return
        jobs = sorted({word for word in listed.split() if word.isdigit()} - told, key=int)
        for start in range(0, len(jobs), JOBS_PER_CALL):
            for row in self._rows(jobs=jobs[start : start + JOBS_PER_CALL]):
                if row.state == "PENDING":
                    yield row

    def all_of(self, job_ids: Sequence[str]) -> Iterator[Row]:
        """All rows of these jobs, whenever they were.

        Those that were requeued come last, with what their batch steps say of their ends.
        """
        requeued = []
        for row in self._rows(jobs=job_ids):
            if row.state == "REQUEUED":
                requeued.append(row)
            else:
                yield row
        if requeued:
            yield from self._with_batch_steps(requeued)

    def _with_batch_steps(self, rows: Sequence[Row]) -> Iterator[Row]:
        delimiter = f"<{secrets.token_hex(8)}>"
        jobs = sorted({row.job_id for row in rows}, key=int)
        argv = accounting.command(accounting.STEP_FIELDS, delimiter, jobs=jobs, steps=True)
        with _errors():
            steps = accounting.batch_steps(stream(argv, self._env), delimiter)
        for row in rows:
            state, ended = steps.get(row.key, ("", None))
            yield replace(row, batch_state=state, batch_ended=ended)

    def _rows(
        self,
        since: float = 0.0,
        until: float = math.inf,
        jobs: Sequence[str] = (),
        states: Sequence[str] = (),
    ) -> Iterator[Row]:
        self.open()
        delimiter = f"<{secrets.token_hex(8)}>"
        argv = accounting.command(
            self._fields, delimiter, since=since, until=until, jobs=jobs, states=states
        )
        with _errors():
            yield from accounting.rows(stream(argv, self._env), delimiter, self._fields)


def _may_have_waited(row: Row) -> bool:
    """Did a run end before it began? Its start is then not known, or the time of its end."""
    ended_so = row.state.partition(" ")[0] in accounting.UNSTARTED
    return ended_so and row.ended is not None and row.started in (None, row.ended)


@contextmanager
def _errors() -> Iterator[None]:
    """Errors of sacct and of its answer as those of a scheduler."""
    try:
        yield
    except accounting.AccountingError as error:
        raise SchedulerError(str(error), transient=True) from error
    except SchedulerError as error:
        raise explained(error) from error
