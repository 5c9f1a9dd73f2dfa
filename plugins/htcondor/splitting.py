"""Jobs whose work is submitted anew in parts, by a command of the site's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.text import printable
from .. import splitting_command
from ..scheduler import Refused

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
    filled = splitting_command.filled(command, run, parts, user)
    others = [name for name in _CHANGES if getattr(action, name)]
    if others or action.data_access and action.data_access not in data_access:
        words = ", ".join(others or [printable(action.data_access)])
        raise Refused(f"splitting_command is told of parts and data access alone, not of {words}")
    environment = [f"{k}={v}" for k, v in data_access.get(action.data_access, {}).items()]
    prefix = ("env", *environment) if environment else ()
    return (*prefix, *filled)


def carry_out(argv: Sequence[str]) -> list[str]:
    """Run the site's command; the ids of the new jobs, ``ClusterId.ProcId``."""
    env = {name: os.environ[name] for name in ("PATH", "CONDOR_CONFIG") if name in os.environ}
    return splitting_command.submit(argv, _JOB_ID, "12.0", env)
