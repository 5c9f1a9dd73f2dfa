"""How the panel's pages are made, and what browsers may do with them."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ...jobs.actions import State
from ...jobs.text import printable
from .. import wording
from .addresses import charts_of, reaching

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.html").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# The one style sheet is inline and named by its digest; forms and pictures are the panel's own, and
# nothing else is loaded or sent anywhere.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def marked(text: str) -> Markup:
    """Text of ours in which what stands between backticks is code."""
    parts = (
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.globals.update(style=_STYLE, States=State, charts_of=charts_of, reaching=reaching)
_pages.filters.update(
    printable=printable,
    when=wording.when,
    span=wording.span,
    percent=wording.percent,
    action=wording.action,
    marked=marked,
    ending=wording.ending,
)


def error_page(status: int, message: str) -> str:
    """What went wrong, for who looks at the panel."""
    return render("error.html", now=time.time(), status=status, message=message)


def new_router() -> APIRouter:
    """For pages: none of the API."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def render(template: str, *, now: float, refresh: int = 0, **known: Any) -> str:
    """A page; ``refresh`` is in seconds, 0 for a page that stays as it is."""
    return _pages.get_template(template).render(now=now, refresh=refresh, **known)
