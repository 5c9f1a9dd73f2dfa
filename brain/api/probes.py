"""The routes for machines that look after the brain: alive, ready, metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from ..metrics.page import CONTENT_TYPE
from .access import HereBrain
from .errors import ApiError

router = APIRouter()


@router.get("/-/healthy", response_class=PlainTextResponse)
def healthy() -> str:
    """Does the process answer?"""
    return "healthy\n"


@router.get("/-/ready", response_class=PlainTextResponse)
def ready(brain: HereBrain) -> str:
    """Can the store be read, and does the watcher go its rounds?"""
    with brain.store.read() as db:
        db.execute("SELECT 1 FROM cursors LIMIT 1")
    if not brain.watcher.alive:
        raise ApiError(503, "not_ready", "the watcher is not running")
    return "ready\n"


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(brain: HereBrain) -> Response:
    """What Prometheus reads."""
    return Response(brain.metrics.page(), media_type=CONTENT_TYPE)
