"""The two routes that executors of CMS operations know: fetching actions and reporting them."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from .. import executor, recommendations, tokens
from ..brain import Brain
from . import cms_protocol
from .access import HereBrain
from .cms_protocol import ActionDocument, ReportAnswer
from .errors import ApiError

SECONDS_A_DAY = 86400
MAX_NAMES = 10_000

router = APIRouter()

_REPORT = {
    "type": "object",
    "required": ["key", "workflows"],
    "properties": {
        "key": {"type": "string"},
        "workflows": {"type": "array", "maxItems": MAX_NAMES, "items": {"type": "string"}},
    },
}


@router.get("/getaction")
def get_actions(
    brain: HereBrain,
    days: Annotated[int, Query(ge=0, le=36500)] = 0,
    acted: Annotated[int, Query(ge=-(2**31), lt=2**31)] = 0,
) -> dict[str, ActionDocument]:
    """Actions left to an external executor, by workflow: to do (0), done (1) or both (below 0).

    ``days`` is how long ago they were approved or reported at most; 0: whenever it was.
    """
    oldest = brain.clock() - days * SECONDS_A_DAY if days else 0.0
    with brain.store.read() as db:
        return {
            one.workflow.key: cms_protocol.document(one, executor.approved_by(db, one.id))
            for one in executor.left(db, executor.acted_on(acted))
            if recommendations.moved_at(db, one.id) >= oldest
        }


@router.post(
    "/reportaction",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _REPORT}}}},
)
async def report_actions(request: Request, brain: HereBrain) -> ReportAnswer:
    """Note that workflows were acted on; ``key`` is the operator's token."""
    try:
        order = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not_json", f"the body is not JSON ({type(error).__name__})") from error
    return await run_in_threadpool(_report, brain, order)


def _report(brain: Brain, order: object) -> ReportAnswer:
    given = order if isinstance(order, dict) else {}
    key, names = given.get("key"), given.get("workflows")
    valid_key = isinstance(key, str) and tokens.matches(f"Bearer {key}", brain.tokens.operator)
    if not isinstance(names, list) or not _are_names(names):
        return ReportAnswer(valid_key=valid_key, valid_format=False)
    if not valid_key:
        return ReportAnswer(valid_key=False, valid_format=True)
    with brain.store.write() as db:
        report = executor.report(db, names, brain.clock())
    return ReportAnswer(valid_key=True, valid_format=True, **vars(report))


def _are_names(names: list[object]) -> bool:
    return len(names) <= MAX_NAMES and all(isinstance(name, str) for name in names)
