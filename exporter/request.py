"""The head of an HTTP/1 request, read strictly (RFC 9112): what is unclear is refused, not guessed.

http.server would cost the agent 4 MB of memory; a scraper's requests need a page of code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MAX_HEAD = 16 * 1024  # bytes
END = b"\r\n\r\n"
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Request(NamedTuple):
    """What a client asks for; names of headers are in lower case."""

    method: str
    path: str  # without the query
    headers: Mapping[str, str]
    keep: bool  # the connection may serve another request after this one


class BadRequest(Exception):
    """A request that cannot be answered as asked; carries the status and a sentence to send."""

    def __init__(self, status: int, sentence: str) -> None:
        """Refuse with ``status`` and ``sentence``."""
        super().__init__(sentence)
        self.status = status


def parse_head(head: bytes) -> Request:
    """The request whose head, less its empty line, is ``head``; BadRequest where it is none."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/") or not _TOKEN.issuperset(words[0]):
        raise BadRequest(400, "this is no HTTP request")
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(505, "HTTP/1.1 and HTTP/1.0 are spoken here")
    headers = _headers(lines[1:])
    return Request(method, _path(target), headers, _keep(version, headers))


def _headers(lines: list[str]) -> dict[str, str]:
    """Fields by name; those sent more than once are joined by commas."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not (colon and name and _TOKEN.issuperset(name)):
            raise BadRequest(400, "a line of the head is no header field")
        name, value = name.lower(), value.strip(" \t")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _path(target: str) -> str:
    """The path of a request's target, which a proxy may send with scheme and host."""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise BadRequest(400, "the target of the request is no path")
        target = "/" + rest.partition("/")[2]
    return target.partition("?")[0]


def _keep(version: str, headers: Mapping[str, str]) -> bool:
    """Is it clear where the next request begins, and wanted that there is one?

    A body is never read, so what follows a request that announces one is not looked at.
    """
    if version != "HTTP/1.1" or "transfer-encoding" in headers:
        return False
    if headers.get("content-length", "0") != "0":
        return False
    options = headers.get("connection", "").lower()
    return "close" not in [option.strip() for option in options.split(",")]
