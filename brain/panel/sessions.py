"""Who decides on the panel: the operator's token opens a session, which a cookie carries.

Reading needs none. A form must carry the word of its session (a token against cross-site request
forgery, as OWASP's cheat sheet of that name asks for), beside the cookie's SameSite=Strict.
"""

from __future__ import annotations

import hmac
import logging
import math
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ...jobs.text import printable
from ..api.access import HereBrain
from ..api.errors import ApiError
from . import pages
from .attempts import Attempts

COOKIE = "jobmend_session"
SECONDS = 12 * 3600.0  # a session lasts a long shift
MAX_SESSIONS = 100  # the oldest go first
MAX_FIELDS = 50

log = logging.getLogger(__name__)
router = pages.new_router()


@dataclass(frozen=True)
class Session:
    """One operator at one browser; ``word`` is what the forms must carry."""

    who: str
    word: str
    until: float  # seconds since the epoch


class Sessions:
    """The open sessions, in memory: a brain that starts anew asks for the token again."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Session] = OrderedDict()
        self.attempts = Attempts()

    def begin(self, who: str, now: float) -> str:
        """Open a session; the secret that its cookie carries."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._open[secret] = Session(who, secrets.token_urlsafe(16), now + SECONDS)
            while len(self._open) > MAX_SESSIONS:
                self._open.popitem(last=False)
        return secret

    def find(self, secret: str, now: float) -> Session | None:
        """The open session of that cookie."""
        with self._lock:
            session = self._open.get(secret)
        return session if session is not None and now < session.until else None

    def end(self, secret: str) -> None:
        """Forget a session."""
        with self._lock:
            self._open.pop(secret, None)


_MAKING = threading.Lock()


def _sessions(request: Request) -> Sessions:
    with _MAKING:
        state = request.app.state
        if not hasattr(state, "sessions"):
            state.sessions = Sessions()
        assert isinstance(state.sessions, Sessions)
        return state.sessions


HereSessions = Annotated[Sessions, Depends(_sessions)]


def _session(request: Request, brain: HereBrain, sessions: HereSessions) -> Session | None:
    return sessions.find(request.cookies.get(COOKIE, ""), brain.clock())


HereSession = Annotated[Session | None, Depends(_session)]
Form = Mapping[str, str]


async def _form(request: Request) -> Form:
    """The fields of a form; of a field that came twice the last."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise ApiError(422, "invalid", "the form has too many fields") from error
    return {name: values[-1] for name, values in fields.items()}


HereForm = Annotated[Form, Depends(_form)]


def _operator(session: HereSession, form: HereForm) -> Session:
    """The session behind a form that changes something."""
    if session is None:
        raise ApiError(401, "unauthorized", "log in first: the panel's page /login")
    if not hmac.compare_digest(form.get("word", "").encode(), session.word.encode()):
        raise ApiError(403, "forbidden", "this form is not of your session; load its page anew")
    return session


OperatorSession = Annotated[Session, Depends(_operator)]


@router.get("/login")
def login_page(brain: HereBrain, session: HereSession) -> str:
    """Ask for the operator's token."""
    return pages.render("login.html", now=brain.clock(), session=session, wrong=False)


@router.post("/login")
def login(request: Request, brain: HereBrain, sessions: HereSessions, form: HereForm) -> Response:
    """Open a session for whoever knows the operator's token."""
    address, now = request.client.host if request.client else "", brain.clock()
    if seconds := math.ceil(sessions.attempts.wait(address, now)):
        raise ApiError(
            429, "too_many_attempts", f"too many wrong tokens; try again in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )  # fmt: skip
    given = form.get("token", "").strip().encode("utf-8", "replace")
    if not hmac.compare_digest(given, brain.tokens.operator.encode()):
        sessions.attempts.note(address, now)
        log.warning("a wrong token was given at /login from %s", printable(address, 60))
        page = pages.render("login.html", now=now, session=None, wrong=True)
        return HTMLResponse(page, status_code=401)
    name = printable(form.get("name", ""), 100).strip()
    secret = sessions.begin(f"operator {name}" if name else "operator", now)
    answer = RedirectResponse("/vetting", status_code=303)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(request: Request, sessions: HereSessions, session: OperatorSession) -> Response:
    """End the session."""
    sessions.end(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer
