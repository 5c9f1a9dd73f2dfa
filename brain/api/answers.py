"""What the API answers, as the brain writes it and its client reads it."""

from __future__ import annotations

from dataclasses import dataclass

from ...jobs.actions import Recommendation
from ...jobs.records import RunRecord
from ..audit import Entry
from ..site_spells import SiteState
from ..steps import PlannedStep
from ..workflows import WorkflowCount

NEWEST = 500  # entries of a list whose length nobody asked for


@dataclass(frozen=True)
class RecommendationList:
    """Recommendations, newest first."""

    recommendations: list[Recommendation]


@dataclass(frozen=True)
class RecommendationDetail:
    """A recommendation with the steps of its plan and all that was done about it."""

    recommendation: Recommendation
    steps: list[PlannedStep]
    audit: list[Entry]


@dataclass(frozen=True)
class JobList:
    """Runs, the last changed first."""

    jobs: list[RunRecord]


@dataclass(frozen=True)
class WorkflowList:
    """Workflows, the last changed first."""

    workflows: list[WorkflowCount]


@dataclass(frozen=True)
class SiteList:
    """Sites by name, with their past."""

    sites: list[SiteState]


@dataclass(frozen=True)
class AuditList:
    """Rows of the audit, newest first."""

    audit: list[Entry]


@dataclass(frozen=True)
class SchedulerStatus:
    """A scheduler and its last poll; ``polled`` is None before the first, in epoch seconds."""

    cluster: str
    scheduler: str
    polled: float | None
    error: str


@dataclass(frozen=True)
class Status:
    """How the brain does, in numbers."""

    version: str
    watching: bool
    schedulers: list[SchedulerStatus]
    models: dict[str, bool]
    recommendations: dict[str, int]
    runs: dict[str, int]


@dataclass(frozen=True)
class Applied:
    """A recommendation after it was applied (or not, in a dry run), and its steps."""

    recommendation: Recommendation
    steps: tuple[PlannedStep, ...]
    dry_run: bool
