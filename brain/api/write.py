"""The routes that change something: reports of agents, decisions of operators."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from ...jobs import wire
from ...jobs.actions import Recommendation
from ...jobs.fields import MAX_NAME, Fields, WireError
from .. import ingest
from ..backfill import Progress
from ..ingest import Receipt
from .access import HereBrain, Operator, require_ingest, require_operator
from .answers import Applied
from .errors import ApiError

MAX_MESSAGES = 500

router = APIRouter(prefix="/api/v1")

RecommendationId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class ApplyOrder(BaseModel):
    """What to do with a proposal: carry it out, or only show the steps."""

    model_config = ConfigDict(extra="forbid")
    dry_run: bool = Field(strict=True)


class RejectOrder(BaseModel):
    """Why a proposal is turned down."""

    model_config = ConfigDict(extra="forbid")
    why: str = Field(min_length=1, max_length=1000)


class BackfillOrder(BaseModel):
    """Which scheduler's past to read, and from when on (epoch seconds)."""

    model_config = ConfigDict(extra="forbid")
    cluster: str = Field(max_length=MAX_NAME)
    scheduler: str = Field(max_length=MAX_NAME)
    since: float = Field(ge=0, allow_inf_nan=False)


_BATCH = {
    "type": "object",
    "required": ["jobmend", "messages"],
    "properties": {
        "jobmend": {"const": wire.VERSION},
        "messages": {"type": "array", "maxItems": MAX_MESSAGES, "items": {"type": "object"}},
    },
}


@router.post(
    "/ingest",
    dependencies=[Depends(require_ingest)],
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _BATCH}}}},
)
async def ingest_messages(request: Request, brain: HereBrain) -> Receipt:
    """Take a batch of wire messages: each one once, the unreadable ones reported by index."""
    documents = read_batch(await request.body())
    receipt = await run_in_threadpool(
        ingest.take_documents,
        brain.store,
        documents,
        now=brain.clock(),
        max_windows=brain.config.store.max_windows,
    )
    brain.metrics.ingested(receipt)
    return receipt


def read_batch(body: bytes) -> list[object]:
    """The messages of a batch, still JSON documents; ApiError where it is no batch."""
    try:
        fields = Fields(json.loads(body), "batch")
        version = fields.integer("jobmend")
        if version != wire.VERSION:
            raise WireError("batch.jobmend", f"version {version}, this side reads {wire.VERSION}")
        return fields.array("messages", MAX_MESSAGES)
    except WireError as error:
        raise ApiError(422, "invalid", str(error), error.field) from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not_json", f"the body is not JSON ({type(error).__name__})") from error


@router.post("/recommendations/{id}/apply")
def apply_recommendation(
    id: RecommendationId, order: ApplyOrder, brain: HereBrain, who: Operator
) -> Applied:
    """Approve a proposal and carry it out step by step, or show its steps."""
    return brain.acting.apply(id, who, dry_run=order.dry_run)


@router.post("/recommendations/{id}/reject")
def reject_recommendation(
    id: RecommendationId, order: RejectOrder, brain: HereBrain, who: Operator
) -> Recommendation:
    """Turn a proposal down."""
    return brain.acting.reject(id, who, order.why)


@router.post("/backfill", dependencies=[Depends(require_operator)])
def backfill_slice(order: BackfillOrder, brain: HereBrain) -> Progress:
    """Read the next slice of a scheduler's past; order again until it is done."""
    return brain.backfill.step((order.cluster, order.scheduler), order.since)
