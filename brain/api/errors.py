"""The one shape of every error the API answers with."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ...plugins.scheduler import SchedulerError
from ..acting import CannotAct
from ..backfill import Stopped, UnknownScheduler
from ..recommendations import IllegalMove, UnknownRecommendation


class ErrorDetail(BaseModel):
    """What went wrong: a word for programs, a sentence for people, the field where there is one."""

    code: str
    message: str
    field: str = ""


class ErrorBody(BaseModel):
    """An error as it is answered."""

    error: ErrorDetail


class ApiError(HTTPException):
    """An error of ours with a word of its own."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Keep what the answer will say."""
        super().__init__(status, message, headers)
        self.code = code
        self.field = field


def answer(
    status: int, code: str, message: str, field: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error as a response."""
    body = ErrorBody(error=ErrorDetail(code=code, message=message, field=field))
    return JSONResponse(body.model_dump(), status, headers)


def install(app: FastAPI) -> None:
    """Have every error of the app answered in the one shape."""

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error, ApiError):
            return answer(error.status_code, error.code, error.detail, error.field, error.headers)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        message = f"{request.method} {request.url.path}: {error.detail}"
        return answer(error.status_code, code, message, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return answer(422, "invalid", f"{field}: {first['msg']}", field)

    @app.exception_handler(UnknownRecommendation)
    def unknown(request: Request, error: UnknownRecommendation) -> JSONResponse:
        return answer(404, "not_found", str(error), "id")

    @app.exception_handler(IllegalMove)
    def illegal(request: Request, error: IllegalMove) -> JSONResponse:
        return answer(409, "illegal_move", str(error), "id")

    @app.exception_handler(UnknownScheduler)
    def no_scheduler(request: Request, error: UnknownScheduler) -> JSONResponse:
        return answer(404, "not_found", str(error), "scheduler")

    @app.exception_handler(SchedulerError)
    def scheduler_failed(request: Request, error: SchedulerError) -> JSONResponse:
        return answer(502, "scheduler_failed", str(error))

    @app.exception_handler(Stopped)
    def stopped(request: Request, error: Stopped) -> JSONResponse:
        return answer(503, "stopping", str(error))

    @app.exception_handler(CannotAct)
    def refused(request: Request, error: CannotAct) -> JSONResponse:
        return answer(409, "cannot_act", str(error), "id")
