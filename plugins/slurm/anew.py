"""Jobs that are submitted anew, by a command of the site's: in parts, or with another environment.

Slurm can do neither to a job that it has, and lets nobody but root submit for another user
(``sbatch --uid``). So the site's command does it, with the rights that the site gives it. The
job of before is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.identity import Run
from ...jobs.text import printable
from .. import splitting_command
from ..scheduler import Refused, SchedulerError, Step
from .changes import Changes
from .standing import look

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_JOB_ID = re.compile(r"[0-9]{1,10}")


def wanted(action: Action) -> bool:
    """Does ``action`` ask for something that a requeue cannot do?"""
    return action.splitting not in (None, 1) or bool(action.data_access)


def plan(
    action: Action,
    jobs: Sequence[tuple[str, str, Run]],
    changes: Changes,
    command: Sequence[str],
    data_access: Mapping[str, Mapping[str, str]],
) -> list[Step]:
    """One step for each of ``jobs`` (address, user, run), by ``command``; or Refused."""
    variables = _variables(action.data_access, data_access)
    if not command:
        raise Refused(_without_command(action, variables))
    parts = action.splitting or 1
    assignments = (*variables, *changes.environment())
    prefix = ("env", *assignments) if assignments else ()
    return [
        Step(
            (*prefix, *splitting_command.filled(command, address, parts, user)),
            _purpose(address, parts, action),
            repeats=run,
        )
        for address, user, run in jobs
    ]


def _without_command(action: Action, variables: Sequence[str]) -> str:
    if action.splitting not in (None, 1):
        return (
            "Slurm cannot split a job's work: set splitting_command to a command that submits the"
            " parts"
        )
    return (
        "Slurm keeps the environment of a requeued job as it was submitted: set splitting_command"
        " to a command that submits it anew, or let its owner do so with --export=ALL,"
        + ",".join(variables)
    )


def _variables(word: str, data_access: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    if not word:
        return ()
    if word not in data_access:
        raise Refused(
            f"no environment is configured for data access {printable(word)!r}: name its"
            " variables in data_access"
        )
    for name, value in data_access[word].items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise Refused(f"data_access: {printable(name)!r} is no variable of an environment")
    return tuple(f"{name}={value}" for name, value in data_access[word].items())


def _purpose(address: str, parts: int, action: Action) -> str:
    access = f" with {printable(action.data_access)}" if action.data_access else ""
    how = f"in {parts} parts" if parts > 1 else "again"
    return f"submit the work of job {address} {how}{access}"


def submit(step: Step, cluster: str, env: dict[str, str], *, sluids: bool) -> tuple[Run, ...]:
    """Carry such a step out; the runs of the new jobs, none where runs are named by SLUIDs.

    The command prints their job ids, one a line. SchedulerError where it prints anything else,
    or the controller does not know them.
    """
    printed = splitting_command.submit(step.argv, _JOB_ID, "12", env)
    known = {standing.address.partition("_")[0] for standing in look(printed, env).values()}
    missing = [job_id for job_id in printed if job_id not in known]
    if missing:
        program = splitting_command.program(step.argv)
        raise SchedulerError(
            f"{program} printed job {missing[0]}, which the controller does not know"
        )
    return () if sluids else tuple(Run(cluster, "slurm", job_id, "0") for job_id in printed)
