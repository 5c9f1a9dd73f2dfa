"""What every request passes: the bound on its body, security headers, an answer to failures."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiError, answer

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 8 * 1024 * 1024


class Gate:
    """ASGI middleware; ``policy`` is the Content-Security-Policy of all answers."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        """Stand before ``app``."""
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        try:
            await self._pass(scope, receive, send_with_headers)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            refusal = answer(500, "internal", "the brain failed; its log says more")
            await refusal(scope, receive, send_with_headers)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = Headers(scope=scope).get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) <= MAX_BODY_BYTES:
            await self._app(scope, _bounded(receive), send)
            return
        error = _too_large()
        refusal = answer(error.status_code, error.code, error.detail)
        await refusal(scope, receive, send)


def _bounded(receive: Receive) -> Receive:
    """``receive`` for bodies that come without a length."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return bounded


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
