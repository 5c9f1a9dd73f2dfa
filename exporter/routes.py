"""What is answered to a request: metrics, health, readiness, and a page that names them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..jobs.version import VERSION
from .negotiate import OPENMETRICS, TEXT, wants_gzip, wants_openmetrics
from .request import Request
from .web.config import WebConfig, WebSettings
from .web.errors import Busy

LEAST_GZIP = 1024  # bytes; a smaller body fits one packet or little more as it is
HEALTHY, READY = "/-/healthy", "/-/ready"
_PLAIN = "text/plain; charset=utf-8"
_PATH = frozenset("/-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LANDING = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>jobmend agent</title></head>
<body><h1>jobmend agent {version}</h1><ul>
<li><a href="{path}">{path}</a> what is measured here</li>
<li><a href="/-/healthy">/-/healthy</a> the process answers</li>
<li><a href="/-/ready">/-/ready</a> it measures</li>
</ul></body></html>
"""
_NO_WEB = WebSettings()

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What goes back to the client."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def check_path(path: str) -> str:
    """``path`` where the metrics may stand there; ValueError with the cure where not."""
    if not path.startswith("/") or not _PATH.issuperset(path):
        raise ValueError(f"{path!r} is no path; write one such as /metrics")
    if path in ("/", HEALTHY, READY):
        raise ValueError(f"{path} is taken; write another path, such as /metrics")
    return path


def plain(status: int, sentence: str, *headers: tuple[str, str]) -> Answer:
    """An answer of one sentence."""
    return Answer(status, _PLAIN, f"{sentence}\n".encode(), headers)


class Site:
    """Everything that can be asked for at one endpoint."""

    def __init__(
        self,
        metrics: Callable[[bool], bytes],
        ready: Callable[[], bool],
        path: str = "/metrics",
        web: WebConfig | None = None,
    ) -> None:
        """Serve ``metrics(openmetrics)`` at ``path``; ValueError where that is no free path."""
        self._metrics = metrics
        self._ready = ready
        self._path = check_path(path)
        self._landing = _LANDING.format(version=VERSION, path=path).encode()
        self._web = web

    @property
    def settings(self) -> WebSettings:
        """TLS, headers and users as they are in force now."""
        return _NO_WEB if self._web is None else self._web.current()

    def answer(self, request: Request) -> Answer:
        """The answer to ``request``; a page that fails is a 500, and the log says why."""
        try:
            settings = self.settings
            answer = _refusal(request, settings) or self._page(request)
            return answer._replace(headers=answer.headers + settings.headers)
        except Exception:  # the boundary of one request: a page that fails must not end the agent
            log.exception("a request could not be answered")
            return plain(500, "see the agent's log")

    def _page(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return plain(405, "GET and HEAD are answered here", ("Allow", "GET, HEAD"))
        if request.path == self._path:
            return self._measured(request.headers)
        if request.path == HEALTHY:
            return plain(200, "healthy")
        if request.path == READY:
            return (
                plain(200, "ready") if self._ready() else plain(503, "no sample was taken lately")
            )
        if request.path == "/":
            return Answer(200, "text/html; charset=utf-8", self._landing)
        return plain(404, "not found; / lists what is here")

    def _measured(self, headers: Mapping[str, str]) -> Answer:
        openmetrics = wants_openmetrics(headers.get("accept", ""))
        body = self._metrics(openmetrics)
        more: tuple[tuple[str, str], ...] = (("Vary", "Accept, Accept-Encoding"),)
        if len(body) >= LEAST_GZIP and wants_gzip(headers.get("accept-encoding", "")):
            body = _compressed(body)
            more += (("Content-Encoding", "gzip"),)
        return Answer(200, OPENMETRICS if openmetrics else TEXT, body, more)


def _refusal(request: Request, settings: WebSettings) -> Answer | None:
    """The answer to who may not ask; None to who may."""
    if settings.users is None:
        return None
    try:
        if settings.users.admit(request.headers.get("authorization", "")):
            return None
    except Busy:
        return plain(503, "other passwords are being checked; ask again", ("Retry-After", "1"))
    challenge = 'Basic realm="jobmend", charset="UTF-8"'
    return plain(401, "a user name and a password are needed", ("WWW-Authenticate", challenge))


def _compressed(body: bytes) -> bytes:
    """``body`` as gzip. zlib alone makes it: the module gzip would cost more to load."""
    import zlib

    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
