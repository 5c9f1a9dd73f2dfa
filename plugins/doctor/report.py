"""What the doctor prints: blocks for a terminal, tab-separated lines for a pipe, JSON."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from ...jobs.text import printable
from .findings import Finding, Level

MAX_CELL = 800  # characters
COLUMNS = ("CHECK", "RESULT", "FINDING", "CURE", "MANUAL")
_WORDS = {Level.GOOD: "good", Level.NOTE: "note", Level.BAD: "BAD"}


def show(found: Sequence[Finding], *, as_json: bool = False, terminal: bool | None = None) -> None:
    """Print findings to standard output; nothing in them can reach a terminal as a command."""
    if as_json:
        print(document(found))
    elif sys.stdout.isatty() if terminal is None else terminal:
        print("\n".join(blocks(found, shutil.get_terminal_size().columns)))
    else:
        print("\n".join(lines(found)))


def status(found: Iterable[Finding]) -> int:
    """The exit status: 1 where anything is bad, else 0."""
    return int(any(finding.level is Level.BAD for finding in found))


def document(found: Sequence[Finding]) -> str:
    """A JSON list in ASCII, one object for a finding."""
    return json.dumps([{**asdict(one), "level": one.level.value} for one in found], indent=2)


def lines(found: Iterable[Finding]) -> list[str]:
    """A header and a line for each finding, cells parted by tabs."""
    rows = [
        (one.check, one.level.value, one.text, one.cure or "-", one.manual or "-") for one in found
    ]
    return ["\t".join(printable(cell, MAX_CELL) for cell in row) for row in (COLUMNS, *rows)]


def blocks(found: Sequence[Finding], width: int) -> list[str]:
    """A paragraph for each finding, and below those that are not good the cure and the manual."""
    name = max((len(one.check) for one in found), default=0)
    told: list[str] = []
    for one in found:
        head = f"{_WORDS[one.level]:<5} {one.check:<{name}}  "
        parts = [("", one.text)]
        if one.level is not Level.GOOD:
            parts += [("cure: ", one.cure), ("see: ", one.manual)]
        for label, text in parts:
            if text:
                told += _wrapped(head, label + printable(text, MAX_CELL), width)
                head = " " * len(head)
    return told


def _wrapped(head: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width - 1, len(head) + 30),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
        break_long_words=False,
    )
