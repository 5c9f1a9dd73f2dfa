"""How jobs stand with the controller now: looked at before and after each step of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..scheduler import SchedulerError, call
from .addresses import numbers

# Nothing that a user wrote is among them, so blanks part them. Widths: squeue cuts what is longer.
_FIELDS = "JobID:24,JobArrayID:48,RestartCnt:24,PriorityLong:24,State:48"
_CELLS = 5

# squeue(1), "Job state codes"; every other word is an end.
_WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
_GOING = frozenset(
    {"RUNNING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
)
_UNKNOWN_JOB = "Invalid job id"


@dataclass(frozen=True)
class Standing:
    """One job or task in the controller."""

    job_id: str
    address: str
    restarts: int
    held: bool
    state: str

    @property
    def waits(self) -> bool:
        """Is it in the queue?"""
        return self.state in _WAITING

    @property
    def goes(self) -> bool:
        """Is it on its nodes?"""
        return self.state in _GOING

    @property
    def completing(self) -> bool:
        """Has it ended, but not left its nodes? What is changed then, Slurm sets back."""
        return self.state == "COMPLETING"

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return not (self.waits or self.goes)


def command(addresses: Iterable[str]) -> list[str]:
    """The squeue that tells how single jobs and tasks stand, also those that have ended."""
    jobs = ",".join(sorted(addresses, key=numbers))
    return [
        "squeue",
        "--noheader",
        "--states=all",
        "--array",
        f"--Format={_FIELDS}",
        f"--jobs={jobs}",
    ]


def parse(text: str) -> dict[str, Standing]:
    """squeue's answer, by address; SchedulerError where it is none."""
    found = {}
    for line in text.splitlines():
        cells = line.split()
        if len(cells) != _CELLS or not cells[2].isdigit() or not cells[3].isdigit():
            raise SchedulerError(f"squeue printed {len(cells)} cells, {_CELLS} are wanted")
        job_id, address, restarts, priority, state = cells
        found[address] = Standing(job_id, address, int(restarts), priority == "0", state)
    return found


def look(addresses: Sequence[str], env: dict[str, str]) -> dict[str, Standing]:
    """How jobs stand, by address; those that the controller has forgotten are missing."""
    try:
        return parse(call(command(addresses), env=env))
    except SchedulerError as error:
        if _UNKNOWN_JOB in str(error):  # squeue fails only where it is asked for one job alone
            return {}
        raise
