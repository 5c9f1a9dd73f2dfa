"""The one shape of every error the API answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ...plugins.scheduler import SchedulerError
from ..acting import CannotAct
from ..backfill import Stopped, TooLongAgo, UnknownScheduler
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


def wants_page(request: Request) -> bool:
    """Does a person look at the answer, in a browser? Programs call the API."""
    told = request.headers.get("accept", "")
    return "text/html" in told and not request.url.path.startswith("/api/")


def install(app: FastAPI, page: Callable[[int, str], str]) -> None:
    """Have every error of the app answered in the one shape; browsers get it as a ``page``."""

    def told(
        request: Request, status: int, code: str, message: str, field: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:  # fmt: skip
        if wants_page(request):
            return HTMLResponse(page(status, message), status, headers)
        return answer(status, code, message, field, headers)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        if isinstance(error, ApiError):
            words = (error.code, error.detail, error.field)
            return told(request, error.status_code, *words, error.headers)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        message = f"{request.method} {request.url.path}: {error.detail}"
        return told(request, error.status_code, code, message, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return told(request, 422, "invalid", f"{field}: {first['msg']}", field)

    @app.exception_handler(UnknownRecommendation)
    def unknown(request: Request, error: UnknownRecommendation) -> Response:
        return told(request, 404, "not_found", str(error), "id")

    @app.exception_handler(IllegalMove)
    def illegal(request: Request, error: IllegalMove) -> Response:
        return told(request, 409, "illegal_move", str(error), "id")

    @app.exception_handler(UnknownScheduler)
    def no_scheduler(request: Request, error: UnknownScheduler) -> Response:
        return told(request, 404, "not_found", str(error), "scheduler")

    @app.exception_handler(SchedulerError)
    def scheduler_failed(request: Request, error: SchedulerError) -> Response:
        return told(request, 502, "scheduler_failed", str(error))

    @app.exception_handler(TooLongAgo)
    def too_long_ago(request: Request, error: TooLongAgo) -> Response:
        return told(request, 422, "invalid", str(error), "since")

    @app.exception_handler(Stopped)
    def stopped(request: Request, error: Stopped) -> Response:
        return told(request, 503, "stopping", str(error))

    @app.exception_handler(CannotAct)
    def refused(request: Request, error: CannotAct) -> Response:
        return told(request, 409, "cannot_act", str(error), "id")
