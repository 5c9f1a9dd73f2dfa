"""Who may call what: the brain behind a request, and the token a request must carry."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from ...jobs.text import printable
from .. import tokens
from ..brain import Brain
from .errors import ApiError


def _brain(request: Request) -> Brain:
    brain = request.app.state.brain
    assert isinstance(brain, Brain)
    return brain


HereBrain = Annotated[Brain, Depends(_brain)]
Authorization = Annotated[str | None, Header()]


def require_ingest(brain: HereBrain, authorization: Authorization = None) -> None:
    """Pass agents only."""
    if not tokens.matches(authorization, brain.tokens.ingest):
        raise _unauthorized("ingest")


def require_operator(
    brain: HereBrain,
    authorization: Authorization = None,
    x_jobmend_operator: Annotated[str, Header(max_length=100)] = "",
) -> str:
    """Pass operators only; who it is, for the audit. The name is what the caller says it is."""
    if not tokens.matches(authorization, brain.tokens.operator):
        raise _unauthorized("operator")
    name = printable(x_jobmend_operator, 100).strip()
    return f"operator {name}" if name else "operator"


Operator = Annotated[str, Depends(require_operator)]


def _unauthorized(token: str) -> ApiError:
    message = f"this needs the {token} token: Authorization: Bearer <token>"
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
