"""The routes about models: who is champion, who was, going back, and where advice comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ..models import champions, lineage, standings
from ..models.champions import ChampionError
from ..models.lineage import Lineage
from ..models.shelf import version_of
from ..models.standings import ChampionEntry, ChampionList, ModelList
from .access import HereBrain, Operator
from .errors import ApiError
from .write import RecommendationId

router = APIRouter(prefix="/api/v1")

Subject = Literal["failures", "traces"]


class RollbackOrder(BaseModel):
    """Which champion to go back to (None: the one before), and why."""

    model_config = ConfigDict(extra="forbid")
    to: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    why: str = Field(min_length=1, max_length=1000)


@router.get("/models")
def list_models(brain: HereBrain) -> ModelList:
    """Champion, challenger and the model in use of each subject."""
    with brain.store.read() as db:
        return standings.standings(db, brain.config.store.models, brain.clock())


@router.get("/models/{subject}/history")
def list_champions(subject: Subject, brain: HereBrain) -> ChampionList:
    """The champions of a subject, newest first."""
    with brain.store.read() as db:
        return standings.history(db, subject)


@router.post("/models/{subject}/rollback")
def roll_back_model(
    subject: Subject, order: RollbackOrder, brain: HereBrain, who: Operator
) -> ChampionEntry:
    """Put a champion of before in use again; nodes have it within one poll."""
    try:
        found = champions.roll_back(
            brain.store,
            brain.config,
            subject,
            order.to,
            who,
            order.why,
            brain.clock(),
            version=version_of(subject),
        )
    except ChampionError as error:
        raise ApiError(409, "cannot_roll_back", str(error), "to") from error
    brain.following.follow(subject)
    return standings.entry_of(found)


@router.get("/recommendations/{id}/lineage")
def get_lineage(id: RecommendationId, brain: HereBrain) -> Lineage:
    """The models that judged a recommendation: data, code, environment, and why they did."""
    with brain.store.read() as db:
        return lineage.of_recommendation(db, id, brain.config.store.models)
