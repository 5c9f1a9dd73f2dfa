"""The values in a history of CMS, checked one by one: counts, words, times."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....jobs.text import printable
from ..task import Decision
from .json_style import Repeated

MAX_CODE = 64  # characters
MAX_SITE = 600  # ours are cluster/site, of 256 characters each
MAX_WORD = 64
MAX_SITES = 10_000  # that a decision names
MAX_COUNT = 10**9
LATEST = 1e11  # seconds since the epoch; above are milliseconds taken for seconds


@dataclass(frozen=True)
class Place:
    """Where in a history something stands, in words that are safe to show."""

    words: str

    def __str__(self) -> str:
        """The words."""
        return self.words

    def inside(self, part: str) -> Place:
        """A part of it."""
        return Place(f"{self.words}: {part}")

    def error(self, problem: str) -> ValueError:
        """What is wrong here, as an error to raise."""
        return ValueError(f"{self.words}: {problem}")

    def object(self, value: object, part: str) -> dict[str, Any]:
        """``value`` as a JSON object with each key once; ValueError otherwise."""
        here = self.inside(part) if part else self
        if not isinstance(value, dict):
            raise here.error(f"{kind(value)}, an object is wanted")
        if isinstance(value, Repeated):
            raise here.error(f"{printable(value.key, 80)!r} stands twice in one object")
        return value


def kind(value: object) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def count(value: object, place: Place, site: str) -> int:
    """A number of failures at a site."""
    if isinstance(value, bool) or not isinstance(value, int):
        problem = f"{kind(value)}"
    elif value < 0:
        problem = "negative"
    elif value > MAX_COUNT:
        problem = "too large"
    else:
        return value
    where = place.inside(f"site {printable(site, 80)!r}")
    raise where.error(f"{problem}, a whole number from 0 to {MAX_COUNT} is wanted")


def numbers(value: object, place: Place) -> dict[str, float]:
    """Measured values by name."""
    found = {}
    for name, number in place.object(value, "").items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise place.error(f"{printable(name, 80)!r}: {kind(number)}, a number is wanted")
        try:
            found[name] = float(number)
        except OverflowError as error:
            raise place.error(f"{printable(name, 80)!r}: too large") from error
    return found


def text(value: object, key: str, place: Place) -> str:
    """A word, or nothing; a number is taken for its digits."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise place.error(f"{key}: {kind(value)}, a string is wanted")
    if len(value) > MAX_WORD:
        raise place.error(f"{key}: at most {MAX_WORD} characters are read")
    return value


def decision(value: object, place: Place) -> Decision | None:
    """What was decided about a task; None where there is no action."""
    if value is None:
        return None
    given: Mapping[str, Any] = place.object(value, "parameters")
    words = {
        key: text(given.get(key), f"parameters.{key}", place)
        for key in ("action", "splitting", "memory", "xrootd")
    }
    sites = _sites(given.get("sites"), place)
    if not words["action"]:
        return None
    return Decision(words["action"], words["splitting"], words["memory"], words["xrootd"], sites)


def _sites(value: object, place: Place) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):  # one, as a form sends it
        value = [value]
    if not isinstance(value, list) or not all(isinstance(site, str) for site in value):
        raise place.error("parameters.sites: a list of names is wanted")
    if len(value) > MAX_SITES or any(len(site) > MAX_SITE for site in value):
        raise place.error(
            f"parameters.sites: at most {MAX_SITES} names of {MAX_SITE} characters are read"
        )
    return tuple(value)


def moment(value: object, place: Place) -> float | None:
    """A time in seconds since the epoch: a number, or ISO 8601 (UTC where it names no zone)."""
    if value is None:
        return None
    seconds = _seconds(value)
    if not 0 <= seconds <= LATEST:  # NaN neither
        raise place.error("timestamp: seconds since the epoch or an ISO 8601 time are wanted")
    return seconds


def _seconds(value: object) -> float:
    if isinstance(value, str):
        try:
            parsed = datetime.datetime.fromisoformat(value)
            aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)
            return aware.timestamp()
        except (ValueError, OverflowError):
            return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value) if abs(value) <= LATEST else math.nan
