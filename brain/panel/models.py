"""The page of models: who is champion, who was, and what each turn of learning came to."""

from __future__ import annotations

from dataclasses import dataclass

from ..api.access import HereBrain
from ..learning import turns
from ..learning.turns import TurnRecord
from ..models import champions
from ..models.champions import Champion
from ..models.shelf import FAILURES, TRACES
from . import pages

REFRESH_SECONDS = 60
ROWS = 30

router = pages.new_router()


@dataclass(frozen=True)
class Standing:
    """What became of one subject, the newest first."""

    subject: str
    champions: list[Champion]
    turns: list[TurnRecord]
    seconds: dict[str, float]  # by step, of the newest turn


@router.get("/models")
def models_page(brain: HereBrain) -> str:
    """Champions and turns of both subjects."""
    found = []
    with brain.store.read() as db:
        for subject in (TRACES, FAILURES):
            last = turns.history(db, subject, ROWS)
            seconds = turns.steps(db, last[0].id) if last else {}
            kept = champions.history(db, subject)[:ROWS]
            found.append(Standing(subject, kept, last, seconds))
    return pages.render(
        "models.html",
        now=brain.clock(),
        refresh=REFRESH_SECONDS,
        subjects=found,
        present=brain.shelf.present(),
    )
