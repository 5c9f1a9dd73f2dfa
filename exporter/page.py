"""The Prometheus page: families in the order of the table, no duplicates; text and OpenMetrics.

Formats: text 0.0.4 (prometheus.io, "Exposition formats") and OpenMetrics 1.0.0. They differ here in
the names of counters in the lines of HELP and TYPE, and in the last line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..jobs.text import printable
from .names import Family

MAX_LABEL = 200  # characters of a label value


def labels(**values: str) -> str:
    """Label pairs as the page spells them, ``jobid="1",run="0"``; empty values are left out.

    Values come from users: control characters and what is no Unicode become U+FFFD, and what is
    longer than MAX_LABEL characters is cut.
    """
    return ",".join(f'{name}="{_escape(value)}"' for name, value in values.items() if value)


def _escape(value: str) -> str:
    return printable(value, MAX_LABEL).replace("\\", "\\\\").replace('"', '\\"')


class Page:
    """Samples being collected for one answer.

    Two samples with one name and the same labels would make a scraper refuse the whole page; the
    first stays and the others are counted in ``duplicates``. What comes by :meth:`put` is believed.
    """

    def __init__(self, families: Mapping[str, Family]) -> None:
        """Start an empty page of samples of ``families``."""
        self._families = families
        self._samples: dict[str, dict[str, float]] = {}
        self._lines: dict[str, list[bytes]] = {}
        self.duplicates = 0

    def add(self, name: str, value: float | None, labels: str = "") -> None:
        """Add a sample; None and NaN are "not measured" and leave no series."""
        if value is None or math.isnan(value):
            return
        samples = self._samples.setdefault(self._families[name].name, {})
        if labels in samples:
            self.duplicates += 1
            return
        samples[labels] = value

    def add_summary(self, name: str, total: float, count: int) -> None:
        """Add a summary without quantiles: the sum of what was observed, and how often."""
        if self._families[name].type != "summary":
            raise ValueError(f"{name} is no summary in the table of families")
        samples = self._samples.setdefault(name, {})
        samples["_sum"], samples["_count"] = total, count

    def put(self, name: str, lines: bytes) -> None:
        """Add whole lines of samples of one family, as :class:`Columns` makes them."""
        if lines:
            self._lines.setdefault(name, []).append(lines)

    def render(self, openmetrics: bool = False) -> bytes:
        """The page; families without a sample are left out."""
        parts: list[bytes] = []
        for name, family in self._families.items():
            samples, lines = self._samples.get(name), self._lines.get(name)
            if not samples and not lines:
                continue
            parts.append(_head(family, openmetrics))
            parts += lines or ()
            if samples:
                parts.append(_lines(family, samples))
        if openmetrics:
            parts.append(b"# EOF\n")
        return b"".join(parts)


def _head(family: Family, openmetrics: bool) -> bytes:
    name, kind = family.name, family.type
    if openmetrics and kind == "counter":
        if name.endswith("_total"):
            name = name[: -len("_total")]
        else:
            kind = "unknown"  # another exporter's name: OpenMetrics has no such counter
    return f"# HELP {name} {family.help}\n# TYPE {name} {kind}\n".encode()


def _lines(family: Family, samples: Mapping[str, float]) -> bytes:
    lines = []
    for labels, value in samples.items():
        suffix = labels if family.type == "summary" else f"{{{labels}}}" if labels else ""
        lines.append(f"{family.name}{suffix} {_number(value)}\n")
    return "".join(lines).encode("utf-8", "replace")


def _number(value: float) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


class Columns:
    """The series of the same families for many label sets, one template a family.

    Making the templates costs about as much as a page made sample by sample; filling them in
    costs a hundredth of it, so they are kept for as long as families and labels stay.
    """

    def __init__(self, cells: Sequence[tuple[str, int]], labels: Sequence[str]) -> None:
        """``cells``: a family and a power of ten for each column; ``labels``: one for each row."""
        sets = [
            b"{%b} %%b" % text.encode("utf-8", "replace").replace(b"%", b"%%") for text in labels
        ]
        self._templates: list[tuple[str, bytes]] = []
        for family, exponent in cells:
            name, end = family.encode(), b"e%d\n" % exponent if exponent else b"\n"
            self._templates.append((family, b"".join([name + text + end for text in sets])))

    def put(self, page: Page, rows: Sequence[Sequence[bytes]]) -> None:
        """Add a sample for each cell: ``rows`` of digits, in the order of ``labels``.

        ValueError where a row has not as many digits as there are cells.
        """
        if any(len(row) != len(self._templates) for row in rows):
            raise ValueError("a row of another length than the columns")
        for (family, template), column in zip(self._templates, zip(*rows)):
            page.put(family, template % column)
