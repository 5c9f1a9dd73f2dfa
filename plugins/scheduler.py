"""What every scheduler plugin offers: its history, plans for actions, and carrying a plan out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..jobs.actions import Action
from ..jobs.events import JobEvent
from ..jobs.identity import Run
from ..jobs.records import RunRecord
from ..jobs.text import printable


class SchedulerError(Exception):
    """The scheduler did not do what it was asked; ``transient`` where a retry makes sense."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        """Keep one sentence for people."""
        super().__init__(message)
        self.transient = transient


class Refused(SchedulerError):
    """The scheduler cannot do this at all; the message says why."""


@dataclass(frozen=True)
class Step:
    """One command of a plan, as an argument vector (never a shell line), and what it is for.

    ``follow_up`` is the run it brings about, where that is known before it is carried out.
    """

    argv: tuple[str, ...]
    purpose: str
    follow_up: Run | None = None


class Scheduler(Protocol):
    """One scheduler on one cluster.

    Law: :meth:`history` and :meth:`execute` may talk to the scheduler, :meth:`plan` may not; a
    plan that is shown is the plan that is carried out.
    """

    name: str

    def history(self, since: float) -> Iterable[JobEvent]:
        """QUEUED, START and OUTCOME events of runs active after ``since`` (epoch seconds).

        They are told for the whole cluster: ``node`` is empty.
        """

    def plan(self, action: Action, runs: Sequence[RunRecord]) -> list[Step]:
        """The steps of ``action`` on ``runs``; Refused where this scheduler cannot do it."""

    def execute(self, step: Step) -> tuple[Run, ...]:
        """Carry one step out and return the runs it brought about; SchedulerError if it fails."""


def call(argv: Sequence[str], *, timeout: float = 30.0, env: dict[str, str] | None = None) -> str:
    """Run a scheduler's command without a shell and return its standard output.

    SchedulerError with the command's own words when it fails, transient when it timed out.
    """
    try:
        done = subprocess.run(
            list(argv),
            capture_output=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env=env,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise SchedulerError(f"{argv[0]} gave no answer in {timeout:g} s", transient=True) from None
    except OSError as error:
        raise SchedulerError(f"{argv[0]} cannot be started: {error.strerror}") from error
    if done.returncode:
        words = printable(done.stderr.decode(errors="replace").strip().replace("\n", "; "), 400)
        raise SchedulerError(f"{argv[0]} exited {done.returncode}: {words or 'no message'}")
    return done.stdout.decode(errors="replace")
