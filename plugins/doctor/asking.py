"""One GET, with nothing but the standard library and past every proxy."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 64 << 20  # of an answer; a page of 1024 jobs has 3 MB


class Unreachable(Exception):
    """Nobody answers at an address."""


@dataclass(frozen=True)
class Answer:
    """What came back; ``skew_seconds`` is by how much the server's clock is ahead of ours."""

    status: int
    text: str
    skew_seconds: float | None  # None: the server tells no date


def get(url: str) -> Answer:
    """Ask ``url`` once; Unreachable with the reason where no answer came."""
    if not url.startswith(("http://", "https://")):
        raise Unreachable(f"{url}: no http:// or https:// address")
    # The agent and the brain are near: a proxy of the environment has no business with them.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = time.time()
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            return _answer(response.status, response.read(MAX_BYTES), response.headers, asked)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _answer(refusal.code, refusal.read(MAX_BYTES), refusal.headers, asked)
    except urllib.error.URLError as error:
        raise Unreachable(f"{url}: {error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(f"{url}: {error or type(error).__name__}") from error


def _answer(status: int, body: bytes, headers: Message, asked: float) -> Answer:
    return Answer(status, body.decode(errors="replace"), _skew(headers.get("Date"), asked))


def _skew(date: str | None, asked: float) -> float | None:
    """Zero where the server's second (Date has no fractions) fits our time of asking."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, IndexError):
        return None
    return min(told + 1 - asked, 0.0) or max(told - time.time(), 0.0)
