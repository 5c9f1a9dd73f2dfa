"""The route by which nodes fetch the model they score with."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from ..models.exporting import Exporter
from .access import HereBrain, require_ingest
from .errors import ApiError

router = APIRouter(prefix="/api/v1")

_MEDIA = "application/octet-stream"
_MAKING = threading.Lock()


def _exporter(request: Request, brain: HereBrain) -> Exporter:
    """The exporter of the brain behind a request; made when the first node asks."""
    with _MAKING:
        state = request.app.state
        if not hasattr(state, "exporter"):
            state.exporter = Exporter(brain.config.store)
        assert isinstance(state.exporter, Exporter)
        return state.exporter


@router.get(
    "/models/traces",
    dependencies=[Depends(require_ingest)],
    response_class=Response,
    responses={
        200: {"content": {_MEDIA: {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "the node has it"},
    },
)
def get_trace_model(
    exporter: Annotated[Exporter, Depends(_exporter)],
    if_none_match: Annotated[str, Header(max_length=1000)] = "",
) -> Response:
    """The trace model, signed, for nodes to score with; 304 where a tag tells that one has it."""
    exported = exporter.current()
    if exported is None:
        raise ApiError(404, "not_found", "no trace model is trained yet")
    headers = {"ETag": f'"{exported.version}"', "Cache-Control": "no-cache"}
    if exported.version in _tags(if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(exported.data, media_type=_MEDIA, headers=headers)


def _tags(header: str) -> set[str]:
    """The tags between commas, without quotes; a weak one stands for the same bytes here."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
