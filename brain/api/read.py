"""The routes that only tell: recommendations, jobs, workflows, the audit, the brain's state."""

from __future__ import annotations

import sqlite3
from typing import Annotated

from fastapi import APIRouter, Query

from ...jobs.actions import State
from ...jobs.version import VERSION
from .. import audit, recommendations, runs, site_spells, sites, steps, workflows
from ..brain import Brain
from .access import HereBrain
from .answers import (
    NEWEST,
    AuditList,
    JobList,
    RecommendationDetail,
    RecommendationList,
    SchedulerStatus,
    SiteList,
    Status,
    WorkflowList,
)
from .write import RecommendationId

router = APIRouter(prefix="/api/v1")

Limit = Annotated[int, Query(ge=1, le=5000)]
Days = Annotated[float, Query(ge=0, le=3650)]


@router.get("/recommendations")
def list_recommendations(
    brain: HereBrain, state: State | None = None, limit: Limit = NEWEST
) -> RecommendationList:
    """Recommendations, of one state or of all."""
    with brain.store.read() as db:
        return RecommendationList(recommendations.newest(db, limit, state))


@router.get("/recommendations/{id}")
def get_recommendation(id: RecommendationId, brain: HereBrain) -> RecommendationDetail:
    """One recommendation with its steps and its audit."""
    with brain.store.read() as db:
        return detail(db, id)


def detail(db: sqlite3.Connection, id: int) -> RecommendationDetail:
    """All that is kept about one recommendation."""
    return RecommendationDetail(
        recommendations.get(db, id),
        steps.of_recommendation(db, id),
        audit.of_recommendation(db, id),
    )


@router.get("/jobs")
def list_jobs(brain: HereBrain, workflow: str | None = None, limit: Limit = NEWEST) -> JobList:
    """Runs, of one workflow or of all."""
    window = brain.config.advice.site_window_seconds
    with brain.store.read() as db:
        found = runs.newest(db, limit, workflow)
        return JobList(sites.with_status(db, found, brain.clock(), window))


@router.get("/workflows")
def list_workflows(brain: HereBrain, limit: Limit = NEWEST) -> WorkflowList:
    """Workflows in numbers of runs."""
    with brain.store.read() as db:
        return WorkflowList(workflows.counts(db, limit))


@router.get("/sites")
def list_sites(brain: HereBrain, days: Days = 7) -> SiteList:
    """Sites: their status now, and what it and their nodes were in the last days."""
    now = brain.clock()
    with brain.store.read() as db:
        return SiteList(site_spells.states(db, now, now - days * 86400))


@router.get("/audit")
def list_audit(brain: HereBrain, limit: Limit = NEWEST) -> AuditList:
    """What was done, by whom; with corrections of exits by accounting."""
    with brain.store.read() as db:
        return AuditList(audit.newest(db, limit))


@router.get("/status")
def get_status(brain: HereBrain) -> Status:
    """How the brain does."""
    with brain.store.read() as db:
        return status(brain, db)


def status(brain: Brain, db: sqlite3.Connection) -> Status:
    """The brain in numbers."""
    return Status(
        version=VERSION,
        watching=brain.watcher.alive,
        schedulers=[
            SchedulerStatus(
                *key, polled=poll.time if poll else None, error=poll.error if poll else ""
            )
            for key, poll in brain.watcher.last_polls().items()
        ],
        models=brain.shelf.present(),
        recommendations={
            state.value: number for state, number in recommendations.counts(db).items()
        },
        runs=runs.counts(db),
    )
