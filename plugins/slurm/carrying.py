"""Carrying out a step of a plan: looked at before, so that what took effect is not done twice.

A step names many jobs. Those that stand already as it wants them are left out of the command; a
job that stands otherwise than the plan knew it makes the step fail before anything is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...jobs.identity import Run
from ..scheduler import SchedulerError, Step, call
from . import addresses, anew
from .standing import Standing, look

SETTLE_SECONDS = 90.0  # for a stopped job to leave its nodes: KillWait, then Epilog
COMMAND_SECONDS = 120.0  # for a command on many jobs
TRIES = 3  # of a command to which the controller gave no answer

# What is said then. The controller may have done it all the same.
_UNHEARD = (
    "timed out",
    "Unexpected message received",
    "Unable to contact slurm controller",
    "gave no answer",
)

_UPDATE = "JobId="


class _Unfit(Exception):
    """Why a step cannot be done to a job as it stands."""


@dataclass(frozen=True)
class _Order:
    """A step of a plan, taken apart: which words of it name which jobs."""

    verb: str
    place: int  # of the job list in argv
    jobs: tuple[str, ...]
    argv: tuple[str, ...]

    def narrowed(self, jobs: Sequence[str]) -> tuple[str, ...]:
        """The command for some of the jobs only."""
        prefix = _UPDATE if self.verb == "update" else ""
        words = list(self.argv)
        words[self.place] = prefix + addresses.join(jobs)
        return tuple(words)


def carry_out(
    step: Step, cluster: str, env: dict[str, str], *, sluids: bool = False
) -> tuple[Run, ...]:
    """Do what is left to do of ``step`` and return the runs it brought about.

    ``sluids``: runs of this cluster are named by SLUIDs, which nobody knows before. SchedulerError
    where a job does not stand as the plan knew it, then nothing is done; or where Slurm refuses.
    """
    order = _read(step.argv)
    if order is None:
        return anew.submit(step, cluster, env, sluids=sluids)
    restarts = int(step.follow_up.run) if step.follow_up else None
    for _ in range(TRIES):
        left = _left(order, _settled(order, env), restarts)
        if not left or _command(order, left, env):
            break
    else:
        raise SchedulerError(
            f"the controller gave no answer to {' '.join(order.argv[:2])}", transient=True
        )
    standings = _seen(order, env)
    if left and order.verb == "requeuehold" and restarts is not None:
        _confirm(standings, left, restarts)
    return _runs(step, standings)


def _read(argv: Sequence[str]) -> _Order | None:
    """The order in a command of a plan; None for the site's own command."""
    if argv[0] == "scancel":
        verb, place = "scancel", 1
    elif argv[0] == "scontrol":
        verb, place = argv[1], 3 if argv[2] == "Incomplete" else 2
    else:
        return None
    jobs = argv[place][len(_UPDATE) :] if verb == "update" else argv[place]
    return _Order(verb, place, tuple(addresses.parse(jobs)), tuple(argv))


def _seen(order: _Order, env: dict[str, str]) -> dict[str, Standing]:
    """How the jobs stand, as soon as the controller answers."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            return look(order.jobs, env)
        except SchedulerError as error:
            if not _unheard(error) or time.monotonic() > deadline:
                raise
            time.sleep(1)


def _settled(order: _Order, env: dict[str, str]) -> dict[str, Standing]:
    """The same, once all are off their nodes where the order needs that."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        standings = _seen(order, env)
        busy = [standing.address for standing in standings.values() if standing.completing]
        if not busy or order.verb not in _SETTLED:
            return standings
        if time.monotonic() > deadline:
            raise SchedulerError(
                f"job {addresses.join(busy)} is still completing after {SETTLE_SECONDS:g} s:"
                f" nothing was done; do it by {' '.join(order.argv)}, or try again",
                transient=True,
            )
        time.sleep(0.2)


def _left(
    order: _Order, standings: Mapping[str, Standing], restarts: int | None
) -> tuple[str, ...]:
    """The jobs that the order is still to be carried out on; SchedulerError where one is unfit."""
    rule, left = _RULES[order.verb], []
    unfit: dict[str, list[str]] = {}
    for address in order.jobs:
        try:
            if rule(standings.get(address), restarts, "Incomplete" in order.argv):
                left.append(address)
        except _Unfit as error:
            unfit.setdefault(str(error), []).append(address)
    if unfit:
        told = "; ".join(f"job {addresses.join(jobs)} {why}" for why, jobs in unfit.items())
        raise SchedulerError(f"{told}: nothing was done to {addresses.join(order.jobs)}")
    return tuple(left)


def _command(order: _Order, jobs: Sequence[str], env: dict[str, str]) -> bool:
    """Give the order for ``jobs``; was there an answer? SchedulerError where Slurm refuses."""
    try:
        call(order.narrowed(jobs), timeout=COMMAND_SECONDS, env=env)
    except SchedulerError as error:
        if _unheard(error):
            return False
        if order.verb not in ("requeuehold", "update"):
            raise
        held = [one.address for one in look(jobs, env).values() if one.waits and one.held]
        if not held:
            raise
        names = addresses.join(held)
        raise SchedulerError(
            f"{error}; job {names} stays held: scontrol release {names} lets it run unchanged"
        ) from error
    return True


def _unheard(error: SchedulerError) -> bool:
    return any(words in str(error) for words in _UNHEARD)


def _confirm(standings: Mapping[str, Standing], jobs: Sequence[str], restarts: int) -> None:
    """A job that ends just before it is requeued Incomplete is passed over by Slurm in silence."""
    missed = [job for job in jobs if job not in standings or standings[job].restarts < restarts]
    if missed:
        raise SchedulerError(f"job {addresses.join(missed)} ended before it could be requeued")


def _runs(step: Step, standings: Mapping[str, Standing]) -> tuple[Run, ...]:
    run = step.follow_up
    if run is None:
        return ()
    ids = dict.fromkeys(standing.job_id for standing in standings.values())
    return tuple(Run(run.cluster, run.scheduler, job_id, run.run) for job_id in ids)


# ---- what is left to do to a job, by how it stands ---------------------------------------------

_FORGOTTEN = (
    "has left the controller, which keeps what ended for MinJobAge seconds (raise it in slurm.conf;"
    " its owner can submit it again)"
)


def _to_requeue(job: Standing | None, restarts: int | None, running: bool) -> bool:
    if job is None:
        raise _Unfit(_FORGOTTEN)
    if restarts is None:  # nobody can tell how often it ran when the plan was made
        requeued = job.waits and job.held
    else:
        requeued = job.restarts == restarts
        if job.restarts not in (restarts, restarts - 1):
            raise _Unfit(f"was started {job.restarts} times over, not {restarts - 1} as planned")
    if requeued:
        return False
    if running and not job.goes:
        raise _Unfit(f"does not run any more, it is {job.state}")
    if not running and not job.over:
        raise _Unfit(f"has not ended, it is {job.state}")
    return True


def _to_update(job: Standing | None, restarts: int | None, running: bool) -> bool:
    if job is None:
        raise _Unfit(_FORGOTTEN)
    if not job.waits:
        raise _Unfit(f"does not wait to be changed, it is {job.state}")
    return True


def _to_release(job: Standing | None, restarts: int | None, running: bool) -> bool:
    if job is None:
        raise _Unfit(_FORGOTTEN)
    if restarts is not None and job.restarts < restarts:
        raise _Unfit(f"was not requeued, it is {job.state}")
    return job.waits and job.held


def _to_hold(job: Standing | None, restarts: int | None, running: bool) -> bool:
    if job is not None and job.goes:
        raise _Unfit("runs meanwhile: hold it again, which stops it, or let it run")
    return job is not None and job.waits and not job.held


def _to_cancel(job: Standing | None, restarts: int | None, running: bool) -> bool:
    return job is not None and not job.over


_Rule = Callable[["Standing | None", "int | None", bool], bool]
_RULES: Mapping[str, _Rule] = {
    "requeuehold": _to_requeue,
    "update": _to_update,
    "release": _to_release,
    "hold": _to_hold,
    "scancel": _to_cancel,
}

# Before these a job must be off its nodes: what is changed while it completes, Slurm sets back.
_SETTLED = frozenset({"requeuehold", "update", "release"})
