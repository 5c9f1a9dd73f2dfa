"""What is told about a run: it waits, it started, it ended, what accounting says, it stalls."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from .exits import Exit
from .identity import Run


class EventKind(str, enum.Enum):
    """What happened."""

    QUEUED = "queued"  # a run waits in the scheduler's queue
    START = "start"  # a run began on a node
    END = "end"  # a run left a node, as the hook there knows it
    OUTCOME = "outcome"  # how the run ended, as the scheduler's accounting knows it
    STALL = "stall"  # a run that had made progress uses no CPU any more
    CONTENTION = "contention"  # a run waits for resources that others on its node take


# Told while a run goes on: somebody may want to do something before its end.
WARNINGS = frozenset({EventKind.STALL, EventKind.CONTENTION})


@dataclass(frozen=True)
class Request:
    """What the job asked for; None where it asked for nothing or nobody tells."""

    cpus: float | None = None
    memory_bytes: int | None = None
    walltime_seconds: float | None = None


@dataclass(frozen=True)
class JobFacts:
    """What the scheduler tells about a job beyond its identity. Names come from users: hostile."""

    workflow: str = ""
    site: str = ""
    name: str = ""
    user: str = ""
    account: str = ""
    comment: str = ""
    attempt: int = 0  # earlier runs of the same piece of work
    parent: str = ""  # key of the run this one repeats
    request: Request = field(default_factory=Request)
    slot: str = ""  # where HTCondor runs it, such as slot1_1@node1
    pid: int = 0  # of the job's first process on the node; 0: none yet, or not told


@dataclass(frozen=True)
class TraceSummary:
    """What the node measured of one run; None = could not be measured there.

    Seconds of CPU are summed over hardware threads. ``*_waiting_seconds`` are the kernel's
    pressure totals ("some"): time in which at least one task of the job waited.
    """

    duration_seconds: float
    samples: int
    cpu_user_seconds: float | None = None
    cpu_system_seconds: float | None = None
    cpu_idle_tail_seconds: float | None = None  # time at the end without CPU progress
    memory_peak_bytes: int | None = None
    memory_limit_bytes: int | None = None
    oom_kills: int | None = None
    cpu_waiting_seconds: float | None = None
    memory_waiting_seconds: float | None = None
    io_waiting_seconds: float | None = None
    # Of the newest window that was scored on the node: score (higher is more abnormal), conformal
    # p-value, and the version of the model that says so.
    anomaly_score: float | None = None
    anomaly_p: float | None = None
    anomaly_model: str | None = None

    @property
    def cpu_seconds(self) -> float | None:
        """User and system time together."""
        if self.cpu_user_seconds is None or self.cpu_system_seconds is None:
            return None
        return self.cpu_user_seconds + self.cpu_system_seconds


@dataclass(frozen=True)
class JobEvent:
    """One thing that happened to a run, with what its teller knew.

    Two events of one :attr:`key` are the same event told twice.
    """

    kind: EventKind
    run: Run
    time: float  # seconds since the epoch
    node: str = ""  # empty: told for the whole cluster, not by a node
    facts: JobFacts = field(default_factory=JobFacts)
    exit: Exit | None = None
    trace: TraceSummary | None = None

    @property
    def key(self) -> str:
        """What makes the event unique; a node tells each kind once per run."""
        return f"{self.run.key}/{self.kind.value}/{self.node}"
