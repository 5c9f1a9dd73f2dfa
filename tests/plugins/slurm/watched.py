"""The plugin with commands that note how they were called, so that a plan is held to its word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobmend.jobs.actions import Action
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.scheduler import Step
from jobmend.plugins.slurm.scheduler import SlurmScheduler

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

# Each argument ends with a NUL, and an empty one ends the call.
_NOTING = """#!/bin/sh
printf '%s\\0' {name} "$@" '' >>{log}
exec {command} "$@"
"""


class Watched:
    """The plugin as the operator, and what it carried out."""

    def __init__(
        self,
        slurm: Cluster,
        folder: Path,
        splitting_command: Sequence[str] = (),
        data_access: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.slurm = slurm
        self._log = folder / "carried-out"
        self._log.touch()
        binaries = folder / "bin"
        binaries.mkdir()
        for command in slurm.operator_bin.iterdir():
            text = command.read_text()
            if command.name in ("scontrol", "scancel"):
                words = {"name": command.name, "log": self._log, "command": command}
                text = _NOTING.format(**{key: shlex.quote(str(it)) for key, it in words.items()})
            (binaries / command.name).write_text(text)
            (binaries / command.name).chmod(0o755)
        self.scheduler = SlurmScheduler(
            "testbed",
            ("comment", "name"),
            str(binaries),
            slurm.env,
            ("main", "siteA", "siteB"),
            splitting_command=splitting_command,
            data_access=data_access,
        )

    def records(self, *jobs: str, ended: bool = True, attempt: int = 0) -> list[RunRecord]:
        """One run of each job, out of history."""
        return [self.slurm.record(self.scheduler, job, attempt, ended) for job in jobs]

    def carried_out(self) -> list[tuple[str, ...]]:
        """The commands that changed something since this was asked last."""
        calls = self._log.read_text().split("\0\0")[:-1]
        self._log.write_text("")
        return [tuple(call.split("\0")) for call in calls]

    def carry_out(self, steps: Sequence[Step]) -> tuple[Run, ...]:
        """Every step; what Slurm was told must be what the plan shows. The runs that follow."""
        self.carried_out()
        runs = dict.fromkeys(run for step in steps for run in self.scheduler.execute(step))
        ours = [step.argv for step in steps if step.argv[0] in ("scontrol", "scancel")]
        assert self.carried_out() == ours
        return tuple(runs)

    def act(
        self, action: Action, *jobs: str, ended: bool = True, attempt: int = 0
    ) -> tuple[Run, ...]:
        """Plan and carry out on one run of each job; the runs that follow."""
        steps = self.scheduler.plan(action, self.records(*jobs, ended=ended, attempt=attempt))
        assert steps
        return self.carry_out(steps)


def restarts(slurm: Cluster, address: str) -> dict[str, str]:
    """How often each task (or the job) was requeued."""
    shown = slurm.run("scontrol", "show", "job", "--oneliner", address)
    return {
        (re.search(r" ArrayTaskId=(\d+) ", line) or re.search(r"JobId=(\d+) ", line) or [""])[1]: (
            re.search(r" Restarts=(\d+) ", line) or [""]
        )[1]
        for line in shown.splitlines()
    }
