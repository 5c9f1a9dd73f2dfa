"""A report as one HTML file that stands alone: no script, nothing loaded, pictures inside.

What the sections hold is put together in :mod:`.assembly`; here is how it is written down.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ....jobs.text import printable
from ..evaluation.intervals import Interval

TEMPLATE = "report.html"
MAX_WORD = 400  # characters of one text in a table or a fact
MAX_ROWS = 400  # of one table; more nobody reads

Value = str | int | float | Interval | None

_NOTHING: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first cell of a row names it. ``strong`` rows are set bold."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    caption: str = ""
    strong: frozenset[int] = frozenset()

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return max(0, len(self.rows) - MAX_ROWS)


@dataclass(frozen=True)
class Picture:
    """A PNG; ``text`` says in words what it shows, for those who do not see it."""

    name: str  # of its file: letters, digits and hyphens
    text: str
    png: bytes


@dataclass(frozen=True)
class Section:
    """A part of the report with its own anchor. A fact that is None is not told."""

    anchor: str  # letters, digits and hyphens
    title: str
    paragraphs: Sequence[str] = ()
    facts: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Report:
    """What is told of one training. ``verdict`` are the sentences that stand first."""

    title: str
    verdict: Sequence[str]
    sections: Sequence[Section]
    synthetic: bool
    made: str  # when and by which version, in words

    @property
    def pictures(self) -> dict[str, bytes]:
        """All PNGs by file name."""
        return {f"{one.name}.png": one.png for part in self.sections for one in part.pictures}


def build(report: Report) -> bytes:
    """The page, UTF-8. Every text is escaped; the same report gives the same bytes."""
    page: str = _pages.get_template(TEMPLATE).render(report=report, max_rows=MAX_ROWS)
    return page.encode("utf-8")


def shown(value: Value) -> str:
    """A value as the page shows it: four significant digits, a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, Interval):
        return _interval(value)
    if isinstance(value, str):
        return printable(value, MAX_WORD)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if math.isfinite(value) else "–"


def _interval(value: Interval) -> str:
    if not math.isfinite(value.low) or not math.isfinite(value.high):
        return shown(value.mean)
    mean, low, high = (f"{part + 0.0:z.3f}" for part in (value.mean, value.low, value.high))
    return f"{mean} ({low} to {high})"


def _data_uri(png: bytes) -> Markup:
    return Markup("data:image/png;base64,") + base64.b64encode(png).decode("ascii")


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float, Interval)) or value is None


_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters.update(shown=shown, data_uri=_data_uri)
_pages.tests["a_number"] = _is_number
