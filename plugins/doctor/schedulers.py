"""The checks of the schedulers that are on this machine."""

from __future__ import annotations

from .findings import Check, Finding
from .settings import Settings

SCHEDULERS = Check("scheduler", "docs/slurm.md; docs/htcondor.md; docs/local.md")


def examine(agent: Settings) -> list[Finding]:
    """What each scheduler's plugin finds, where ``agent`` says whom hooks tell and who is believed.

    A scheduler whose plugin is not installed here is left out.
    """
    found: list[Finding] = []
    socket = agent.socket if agent.known else ""
    trusted = agent.trusted_uids if agent.known else None
    try:
        from ..slurm.checks import examine as examine_slurm
        from ..slurm.here import here

        found += examine_slurm(here(socket, trusted))
    except ImportError:
        pass
    try:
        from ..htcondor import checks as htcondor

        found += htcondor.examine(htcondor.here(socket))
    except ImportError:
        pass
    text = "neither Slurm's commands nor HTCondor's are here; local jobs only"
    return found or [SCHEDULERS.note(text)]
