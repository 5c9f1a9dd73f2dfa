"""The pages of recommendations: what ails, and why something is advised."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from ...jobs.actions import State
from ...jobs.events import JobFacts
from ...jobs.fields import MAX_NAME
from ...jobs.identity import Run
from ...jobs.records import RunRecord
from .. import outages, recommendations, runs, site_spells
from ..api import read as api_read
from ..api.access import HereBrain
from ..api.write import RecommendationId
from . import pages

REFRESH_SECONDS = 30
ROWS = 200
RUNS = 20  # of one recommendation

WorkflowName = Annotated[str | None, Query(max_length=MAX_NAME)]

router = pages.new_router()


@router.get("/")
def list_page(brain: HereBrain, state: State | None = None, workflow: WorkflowName = None) -> str:
    """The recommendations, newest first."""
    with brain.store.read() as db:
        return pages.render(
            "list.html",
            now=brain.clock(),
            refresh=REFRESH_SECONDS,
            found=recommendations.newest(db, ROWS, state, workflow),
            counts=recommendations.counts(db),
            status=api_read.status(brain, db),
            bad_sites=[site for site, bad in site_spells.now_bad(db).items() if bad],
            nodes=outages.now_out(db),
            chosen=state,
            workflow=workflow,
            rows=ROWS,
        )


@router.get("/recommendations/{id}")
def detail_page(id: RecommendationId, brain: HereBrain) -> str:
    """One recommendation: evidence, probabilities, runs, steps and audit."""
    with brain.store.read() as db:
        detail = api_read.detail(db, id)
        it = detail.recommendation
        told = {"Runs it is about": it.advice.runs, "Runs that followed": it.follow_ups}
        return pages.render(
            "detail.html",
            now=brain.clock(),
            detail=detail,
            about=[(title, _known(db, keys[:RUNS]), len(keys)) for title, keys in told.items()],
            links=bool(brain.config.server.prometheus),
        )


def _known(db: sqlite3.Connection, keys: Sequence[Run]) -> list[RunRecord]:
    """What is known of runs; of one that was never heard of, or is forgotten, its key."""
    return [runs.load(db, key) or RunRecord(key, JobFacts()) for key in keys]
