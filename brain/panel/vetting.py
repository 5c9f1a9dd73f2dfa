"""The pages on which a person says what is normal: what waits, why, and the word on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response
from fastapi.responses import RedirectResponse

from .. import quarantine
from ..api import vetting_answers
from ..api.access import HereBrain
from ..api.errors import ApiError
from ..evidence import Evidence
from ..quarantined import Item, NoSuchMove, Vetting, Wanted
from ..store import Store
from . import drawing, pages
from .sessions import HereForm, HereSession, OperatorSession

ROWS = 200

router = pages.new_router()

Subject = Annotated[str, Path(max_length=40)]
Id = Annotated[str, Path(min_length=10, max_length=10)]


@router.get("/vetting")
def vetting_page(brain: HereBrain, session: HereSession, state: Vetting = Vetting.WAITING) -> str:
    """What is in quarantine, the newest first."""
    with brain.store.read() as db:
        items = quarantine.find(db, Wanted(state=state), ROWS)
        counts = quarantine.counts(db)
    return pages.render(
        "vetting.html",
        now=brain.clock(),
        session=session,
        items=items,
        chosen=state,
        states={
            one: sum(number for (_, told), number in counts.items() if told == one.value)
            for one in Vetting
        },
        rows=ROWS,
    )


@router.get("/vetting/{subject}/{id}")
def item_page(subject: Subject, id: Id, brain: HereBrain, session: HereSession) -> str:
    """One item: the trace or the failures, what is like it, the job's facts, what was said."""
    item = _item(brain.store, subject, id)
    with brain.store.read() as db:
        words = quarantine.words_on(db, subject, item.key)
        evidence = quarantine.evidence_on(db, subject, item.key)
        jobs = vetting_answers.jobs_of(db, evidence)
        within = quarantine.find(db, Wanted(subject, turn=item.turn), ROWS)
    return pages.render(
        "vetting_item.html",
        now=brain.clock(),
        session=session,
        item=item,
        evidence=evidence,
        jobs=jobs,
        links=bool(brain.config.server.prometheus),
        words=words,
        within=[one for one in within if not one.is_period] if item.is_period else [],
        rows=ROWS,
    )


@router.get("/vetting/{subject}/{id}/trace.svg", response_class=Response)
def picture(subject: Subject, id: Id, brain: HereBrain) -> Response:
    """The trace of an item."""
    item = _item(brain.store, subject, id)
    with brain.store.read() as db:
        evidence = quarantine.evidence_on(db, subject, item.key)
    return Response(_drawn(evidence), media_type="image/svg+xml")


def _drawn(evidence: Evidence) -> bytes:
    if not evidence.curves:
        raise ApiError(404, "not_found", "nothing was kept of it that could be drawn")
    return drawing.curves(evidence.curves, evidence.step_seconds)


@router.post("/vetting/{subject}/{id}")
def decide(
    subject: Subject, id: Id, brain: HereBrain, session: OperatorSession, form: HereForm
) -> Response:
    """Keep the word of whoever is logged in, or take the last one back."""
    item = _item(brain.store, subject, id)
    said, who, now = form.get("say", ""), session.who, brain.clock()
    try:
        if said == "undo":
            quarantine.undo(brain.store, subject, item.key, who, now)
        else:
            label = form.get("label", "") if said == Vetting.ANOMALY.value else ""
            quarantine.decide(brain.store, subject, item.key, Vetting(said), label, who, now)
    except (NoSuchMove, ValueError) as error:
        raise ApiError(409, "illegal_move", str(error)) from error
    return RedirectResponse(f"/vetting/{subject}/{id}", status_code=303)


def _item(store: Store, subject: str, id: str) -> Item:
    with store.read() as db:
        found = quarantine.find(db, Wanted(subject, named=id), 2)
    if len(found) != 1:
        raise ApiError(404, "not_found", "there is no such item in quarantine")
    return found[0]
