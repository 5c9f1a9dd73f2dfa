"""Everything known of a workflow's runs, joined from hooks, traces and accounting."""

from __future__ import annotations

from dataclasses import dataclass, field

from .actions import ActionKind
from .events import EventKind, JobFacts, TraceSummary
from .exits import Exit, ExitKind
from .identity import Run, SiteStatus, Workflow


@dataclass(frozen=True)
class RunRecord:
    """One run as the brain knows it now. ``exit`` is None while it is queued or running."""

    run: Run
    facts: JobFacts
    node: str = ""
    site_status: SiteStatus = SiteStatus.UNKNOWN  # at the time the run ended
    started: float | None = None
    ended: float | None = None
    exit: Exit | None = None
    trace: TraceSummary | None = None
    warnings: tuple[EventKind, ...] = ()  # STALL, CONTENTION
    anomaly_p: float | None = None  # conformal p-value of its trace; small = odd
    anomaly_words: str = ""  # with whom it was compared, and what is odd

    @property
    def failed(self) -> bool:
        """Has it ended, and badly?"""
        return self.exit is not None and self.exit.kind.failed

    @property
    def succeeded(self) -> bool:
        """Has it ended well?"""
        return self.exit is not None and self.exit.kind is ExitKind.SUCCESS

    @property
    def in_queue(self) -> bool:
        """Has it ended although its job is still in the queue, held or to run once more?"""
        return self.exit is not None and self.exit.in_queue


@dataclass(frozen=True)
class WorkflowRecord:
    """A workflow with the last run of each piece of its work, and what was tried before."""

    workflow: Workflow
    runs: tuple[RunRecord, ...]
    tried: tuple[tuple[str, ActionKind], ...] = field(default=())  # (cause, action) applied before

    @property
    def failed(self) -> tuple[RunRecord, ...]:
        """The runs that ended badly."""
        return tuple(record for record in self.runs if record.failed)

    @property
    def running(self) -> tuple[RunRecord, ...]:
        """The runs that have not ended."""
        return tuple(record for record in self.runs if record.exit is None)
