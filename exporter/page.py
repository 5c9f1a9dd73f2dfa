"""The Prometheus text page (format 0.0.4): families in the order of the table, no duplicates."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..jobs.text import printable
from .names import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
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
    first stays and the others are counted in ``duplicates``.
    """

    def __init__(self, families: Mapping[str, Family]) -> None:
        """Start an empty page of samples of ``families``."""
        self._families = families
        self._samples: dict[str, dict[str, float]] = {}
        self.duplicates = 0

    def add(self, name: str, value: float | None, labels: str = "") -> None:
        """Add a sample; None and NaN are "not measured" and leave no series."""
        if value is None or math.isnan(value):
            return
        self._put(self._families[name].name, labels, value)

    def add_summary(self, name: str, total: float, count: int) -> None:
        """Add a summary without quantiles: the sum of what was observed, and how often."""
        if self._families[name].type != "summary":
            raise ValueError(f"{name} is no summary in the table of families")
        samples = self._samples.setdefault(name, {})
        samples["_sum"], samples["_count"] = total, count

    def _put(self, name: str, labels: str, value: float) -> None:
        samples = self._samples.setdefault(name, {})
        if labels in samples:
            self.duplicates += 1
            return
        samples[labels] = value

    def render(self) -> bytes:
        """The page; families without a sample are left out."""
        lines: list[str] = []
        for name, family in self._families.items():
            samples = self._samples.get(name)
            if not samples:
                continue
            lines.append(f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n")
            for labels, value in samples.items():
                suffix = labels if family.type == "summary" else f"{{{labels}}}" if labels else ""
                lines.append(f"{name}{suffix} {_number(value)}\n")
        return "".join(lines).encode("utf-8", "replace")


def _number(value: float) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)
