"""A job of the queue: its states, what is known of it, how it ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .process import ProcessId
from .spec import JobSpec


class JobState(str, enum.Enum):
    """Where a job stands, or shall stand: its supervisor follows."""

    PENDING = "PENDING"
    HELD = "HELD"  # waiting, or frozen when it had started
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Ending:
    """How a job ended, as its supervisor saw it."""

    state: JobState
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class Job:
    """One job. Times are epoch seconds; ``cpus`` are the hardware threads it got."""

    job_id: int
    run: str
    spec: JobSpec
    user: str
    attempt: int
    parent: str
    supervisor: ProcessId | None
    submitted: float
    started: float | None
    ended: float | None
    cpus: tuple[int, ...]
    ending: Ending  # its state is the present one while ``ended`` is None

    @property
    def state(self) -> JobState:
        """Where it stands now."""
        return self.ending.state
