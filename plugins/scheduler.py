"""What every scheduler plugin offers: its history, plans for actions, and carrying a plan out."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    ``repeats`` is the run whose work it hands to new jobs, which will not name it.
    """

    argv: tuple[str, ...]
    purpose: str
    follow_up: Run | None = None
    repeats: Run | None = None


@dataclass(frozen=True)
class Outage:
    """A time in which a node was not fit for work. Epoch seconds; ``until`` None: it lasts."""

    node: str
    since: float
    until: float | None
    state: str  # the scheduler's own word, such as DOWN or DRAIN
    reason: str = ""


@dataclass(frozen=True)
class Nodes:
    """The nodes of a cluster, by site, and the outages that the scheduler knows of."""

    sites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()


class Scheduler(Protocol):
    """One scheduler on one cluster.

    Law: :meth:`plan` may not talk to the scheduler, the others may; a plan that is shown is the
    plan that is carried out. Where talking fails they raise SchedulerError.
    """

    name: str

    def history(self, since: float, until: float = math.inf) -> Iterable[JobEvent]:
        """QUEUED, START and OUTCOME events of runs that ended between these epoch seconds.

        Without ``until`` also of runs that wait or run. They are told for the whole cluster:
        ``node`` is empty. Lazy: however many there are, few are in memory at a time.
        """

    def nodes(self, since: float) -> Nodes:
        """The nodes there are now, and their outages that lasted after ``since`` (epoch)."""

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
