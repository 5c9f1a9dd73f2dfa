"""The pages of recommendations: what ails, and why something is advised."""

from __future__ import annotations

from ...jobs.actions import State
from .. import outages, recommendations, site_spells
from ..api import read as api_read
from ..api.access import HereBrain
from ..api.write import RecommendationId
from . import pages

REFRESH_SECONDS = 30
ROWS = 200

router = pages.new_router()


@router.get("/")
def list_page(brain: HereBrain, state: State | None = None) -> str:
    """The recommendations, newest first."""
    with brain.store.read() as db:
        return pages.render(
            "list.html",
            now=brain.clock(),
            refresh=REFRESH_SECONDS,
            found=recommendations.newest(db, ROWS, state),
            counts=recommendations.counts(db),
            status=api_read.status(brain, db),
            bad_sites=[site for site, bad in site_spells.now_bad(db).items() if bad],
            nodes=outages.now_out(db),
            chosen=state,
            rows=ROWS,
        )


@router.get("/recommendations/{id}")
def detail_page(id: RecommendationId, brain: HereBrain) -> str:
    """One recommendation: evidence, probabilities, runs, steps and audit."""
    with brain.store.read() as db:
        return pages.render("detail.html", now=brain.clock(), detail=api_read.detail(db, id))
