"""The routes of vetting: what waits for a person, what is to be seen of it, the word on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from .. import quarantine
from ..quarantined import MAX_LABEL, NoSuchMove, UnknownItem, Vetting, Wanted
from .access import HereBrain, Operator
from .errors import ApiError
from .vetting_answers import VettingDetail, VettingList, detail

MAX_KEYS = 1000  # items that one order can name
MAX_KEY = 10000  # characters: a window of many threads names them all

router = APIRouter(prefix="/api/v1")

Subject = Annotated[str, Path(max_length=40)]
Text = Annotated[str | None, Query(max_length=MAX_KEY)]
Keys = Annotated[
    list[Annotated[str, Field(max_length=MAX_KEY)]], Field(min_length=1, max_length=MAX_KEYS)
]


class DecisionOrder(BaseModel):
    """A person's word on some items: they are normal, an anomaly known by a label, or ignored."""

    model_config = ConfigDict(extra="forbid")
    keys: Keys
    state: Literal["normal", "anomaly", "ignored"]
    label: str = Field(default="", max_length=MAX_LABEL)


class UndoOrder(BaseModel):
    """Of which items the last word is to be taken back."""

    model_config = ConfigDict(extra="forbid")
    keys: Keys


@router.get("/vetting")
def list_vetting(
    brain: HereBrain,
    subject: Text = None,
    state: Vetting | None = None,
    kind: Text = None,
    turn: Text = None,
    name: Text = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> VettingList:
    """Items in quarantine; those of a period that waits as a whole where their turn is named."""
    with brain.store.read() as db:
        return VettingList(quarantine.find(db, Wanted(subject, state, kind, turn, name), limit))


@router.get("/vetting/{subject}/item")
def get_vetting(
    subject: Subject, key: Annotated[str, Query(max_length=MAX_KEY)], brain: HereBrain
) -> VettingDetail:
    """One item with its evidence, its runs and all that was said of it."""
    with _refusals(), brain.store.read() as db:
        return detail(db, subject, key)


@router.post("/vetting/{subject}/decision")
def decide_vetting(
    subject: Subject, order: DecisionOrder, brain: HereBrain, who: Operator
) -> VettingList:
    """Keep a person's word, on all the items or on none."""
    state, now = Vetting(order.state), brain.clock()
    with _refusals():
        return VettingList(
            quarantine.decide_all(brain.store, subject, order.keys, state, order.label, who, now)
        )


@router.post("/vetting/{subject}/undo")
def undo_vetting(
    subject: Subject, order: UndoOrder, brain: HereBrain, who: Operator
) -> VettingList:
    """Take the last word on each item back, on all or on none."""
    with _refusals():
        return VettingList(
            quarantine.undo_all(brain.store, subject, order.keys, who, brain.clock())
        )


@contextmanager
def _refusals() -> Iterator[None]:
    """Refusals of quarantine as answers."""
    try:
        yield
    except UnknownItem as error:
        raise ApiError(404, "not_found", str(error), "key") from error
    except NoSuchMove as error:
        raise ApiError(409, "illegal_move", str(error), "state") from error
