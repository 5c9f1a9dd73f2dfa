"""The web panel: server-rendered pages that need no script and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..jobs.actions import State
from ..jobs.text import printable
from . import api_read, outages, recommendations, site_spells, wording
from .access import HereBrain
from .api_write import RecommendationId

REFRESH_SECONDS = 30
ROWS = 200

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.html").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# The one style sheet is inline and named by its digest; nothing else is loaded or sent anywhere.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.globals.update(style=_STYLE, States=State)
_pages.filters.update(
    printable=printable,
    when=wording.when,
    span=wording.span,
    percent=wording.percent,
    action=wording.action,
)


@router.get("/")
def list_page(brain: HereBrain, state: State | None = None) -> str:
    """The recommendations, newest first."""
    with brain.store.read() as db:
        return _pages.get_template("list.html").render(
            found=recommendations.newest(db, ROWS, state),
            counts=recommendations.counts(db),
            status=api_read.status(brain, db),
            bad_sites=[site for site, bad in site_spells.now_bad(db).items() if bad],
            nodes=outages.now_out(db),
            chosen=state,
            now=brain.clock(),
            rows=ROWS,
            refresh=REFRESH_SECONDS,
        )


@router.get("/recommendations/{id}")
def detail_page(id: RecommendationId, brain: HereBrain) -> str:
    """One recommendation: evidence, probabilities, runs, steps and audit."""
    with brain.store.read() as db:
        return _pages.get_template("detail.html").render(
            detail=api_read.detail(db, id),
            refresh=0,
            now=brain.clock(),
        )
