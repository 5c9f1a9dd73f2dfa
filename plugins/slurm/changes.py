"""What an action changes about a job, as ``scontrol update`` and as ``sbatch`` take it.

Only whole numbers and names of a strict pattern get through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...jobs.actions import Action
from ...jobs.text import printable
from ..scheduler import Refused

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # of a partition or a node


@dataclass(frozen=True)
class Changes:
    """The checked parameters of an action; None or empty leaves a thing as it was."""

    memory_mb: int | None = None  # on each node
    minutes: int | None = None
    partitions: tuple[str, ...] = ()
    nodes_avoid: tuple[str, ...] = ()

    def update(self) -> tuple[str, ...]:
        """As ``scontrol update`` takes them (scontrol(1), "update job")."""
        # Without StartTime a requeued job waits for two minutes (Reason=BeginTime). One that starts
        # on its node in the second in which it left it, slurmd ends: "Job credential revoked".
        named = {
            "MinMemoryNode": self.memory_mb,
            "TimeLimit": self.minutes,
            "Partition": ",".join(self.partitions),
            "ExcNodeList": ",".join(self.nodes_avoid),
        }
        return ("StartTime=now+2", *(f"{name}={value}" for name, value in named.items() if value))

    def environment(self) -> tuple[str, ...]:
        """As sbatch reads them (sbatch(1), "Input environment variables"); Refused for nodes.

        They outdo the options in a job's script, and the command line outdoes them.
        """
        if self.nodes_avoid:
            raise Refused(
                "sbatch reads no variable with nodes to avoid: a job that is submitted anew cannot"
                " be kept off a node"
            )
        named = {
            "SBATCH_MEM_PER_NODE": f"{self.memory_mb}M" if self.memory_mb else "",
            "SBATCH_TIMELIMIT": self.minutes,
            "SBATCH_PARTITION": ",".join(self.partitions),
        }
        return tuple(f"{name}={value}" for name, value in named.items() if value)


def changes_of(action: Action, sites: Sequence[str]) -> Changes:
    """What ``action`` changes, where ``sites`` are the partitions that may stand in for others.

    Refused for amounts and names that cannot be.
    """
    memory, seconds = action.memory_bytes, action.walltime_seconds
    return Changes(
        None if memory is None else _positive(memory / 2**20),
        None if seconds is None else _positive(seconds / 60),
        _partitions(action, sites),
        tuple(_name(node) for node in action.nodes_avoid),
    )


def _partitions(action: Action, sites: Sequence[str]) -> tuple[str, ...]:
    if not (action.sites_use or action.sites_avoid):
        return ()
    left = [site for site in action.sites_use or sites if site not in action.sites_avoid]
    if not left:
        avoided = printable(", ".join(action.sites_avoid))
        raise Refused(f"no partition is known to stand in for {avoided}: name one to use")
    return tuple(_name(site) for site in left)


def _positive(amount: float) -> int:
    if not 0 < amount < 2**31:
        raise Refused(f"{amount:g} is no amount that Slurm can take")
    return math.ceil(amount)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refused(f"{printable(name)!r} is no name of a partition or a node")
    return name
