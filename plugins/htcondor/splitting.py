"""Jobs whose work is submitted anew in parts, by a command of the site's.

What a job's work is and how it can be cut is known to those who made it, so HTCondor cannot do it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.text import printable
from ..scheduler import Refused, SchedulerError, call

SECONDS = 300.0  # for the site's command
MAX_PARTS = 1000

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")
_JOB_ID = re.compile(r"[0-9]{1,10}\.[0-9]{1,10}")
_CHANGES = ("memory_bytes", "walltime_seconds", "sites_use", "sites_avoid", "nodes_avoid")


def words(
    command: Sequence[str],
    run: str,
    action: Action,
    user: str,
    data_access: Mapping[str, Mapping[str, str]],
) -> tuple[str, ...]:
    """The command that submits the parts of a run's work, by the template ``command``; or Refused.

    ``{address}`` is the run's name, which begins with the job's GlobalJobId.
    """
    parts = action.splitting or 1
    if not command:
        raise Refused(
            "HTCondor cannot split a job's work: set splitting_command to a command that submits"
            " the parts"
        )
    if not 0 < parts <= MAX_PARTS:
        raise Refused(f"{parts} is no number of parts from 1 to {MAX_PARTS}")
    if not _USER.fullmatch(user):
        raise Refused(f"{printable(user)!r} is no name of a user")
    others = [name for name in _CHANGES if getattr(action, name)]
    if others or action.data_access and action.data_access not in data_access:
        words = ", ".join(others or [printable(action.data_access)])
        raise Refused(f"splitting_command is told of parts and data access alone, not of {words}")
    values = {"{address}": run, "{splitting}": str(parts), "{user}": user}
    environment = [f"{k}={v}" for k, v in data_access.get(action.data_access, {}).items()]
    prefix = ("env", *environment) if environment else ()
    return (*prefix, *(_filled(word, values) for word in command))


def _filled(word: str, values: Mapping[str, str]) -> str:
    for place, value in values.items():  # no value holds a brace
        word = word.replace(place, value)
    return word


def carry_out(argv: Sequence[str]) -> list[str]:
    """Run the site's command; the ids of the new jobs, ``ClusterId.ProcId``, one a line."""
    env = {name: os.environ[name] for name in ("PATH", "CONDOR_CONFIG") if name in os.environ}
    printed = call(argv, timeout=SECONDS, env=env).split()
    bad = [word for word in printed if not _JOB_ID.fullmatch(word)]
    if bad or not printed or len(printed) > MAX_PARTS:
        shown = printable(" ".join(bad)) or f"{len(printed)} words"
        raise SchedulerError(
            f"{argv[0]} printed {shown!r} where ids of new jobs, such as 12.0, are wanted, one"
            " a line: look what it submitted"
        )
    return printed
