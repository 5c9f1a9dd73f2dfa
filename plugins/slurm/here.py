"""Where checks of Slurm look: its commands, and the files of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..doctor.programs import running
from ..scheduler import call

Ask = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Here:
    """Where the checks look: Slurm's commands, and files of this machine below ``root``."""

    ask: Ask
    root: Path = Path("/")
    socket: str = ""  # the agent's; empty: not known
    trusted: Sequence[int] | None = None  # users whose hooks the agent believes; None: not known
    on_node: bool = False  # a slurmd runs here
    on_controller: bool = False


def here(
    socket: str = "",
    trusted: Sequence[int] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Here:
    """This machine. Of the environment Slurm's commands get PATH and SLURM_CONF alone."""
    passed = {name: environ[name] for name in ("PATH", "SLURM_CONF") if name in environ}
    env = {**passed, "LC_ALL": "C", "TZ": "UTC"}
    return Here(
        lambda argv: call(argv, env=env),
        socket=socket,
        trusted=trusted,
        on_node=running("slurmd"),
        on_controller=running("slurmctld"),
    )
