"""The site's command that submits a job's work anew, in parts where it is asked to.

What a job's work is and how it can be cut is known to those who made it, so no scheduler can do it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..jobs.text import printable
from .scheduler import Refused, SchedulerError, call

SECONDS = 300.0  # that it may take
MAX_PARTS = 1000

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")


def filled(command: Sequence[str], address: str, parts: int, user: str) -> tuple[str, ...]:
    """``command`` with ``{address}``, ``{splitting}`` and ``{user}`` filled in; or Refused."""
    if not 0 < parts <= MAX_PARTS:
        raise Refused(f"{parts} is no number of parts from 1 to {MAX_PARTS}")
    if not _USER.fullmatch(user):
        raise Refused(f"job {address}: {printable(user)!r} is no name of a user")
    values = {"{address}": address, "{splitting}": str(parts), "{user}": user}
    return tuple(_replaced(word, values) for word in command)


def _replaced(word: str, values: Mapping[str, str]) -> str:
    for place, value in values.items():  # no value holds a brace
        word = word.replace(place, value)
    return word


def submit(
    argv: Sequence[str], job_id: re.Pattern[str], example: str, env: dict[str, str] | None
) -> list[str]:
    """Run it, and read the ids of the new jobs that it prints, one a line.

    SchedulerError where it prints anything but one to MAX_PARTS words of the form ``job_id``, of
    which ``example`` is one.
    """
    printed = call(argv, timeout=SECONDS, env=env).split()
    bad = [word for word in printed if not job_id.fullmatch(word)]
    if bad or not printed or len(printed) > MAX_PARTS:
        shown = printable(" ".join(bad)) or f"{len(printed)} words"
        raise SchedulerError(
            f"{program(argv)} printed {shown!r} where ids of new jobs, such as {example}, are"
            " wanted, one a line: look what it submitted"
        )
    return printed


def program(argv: Sequence[str]) -> str:
    """What ``argv`` runs, also behind ``env`` and its variables."""
    words = argv[1:] if argv[0] == "env" else argv
    return next(word for word in words if "=" not in word)
