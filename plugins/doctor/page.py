"""The metrics page of an agent, read back with nothing but the standard library.

Format: Prometheus' text format 0.0.4, "Text-based format" in its manual.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SAMPLE = re.compile(r"(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?")
_LABEL = re.compile(r'(?P<name>[A-Za-z_]\w*)="(?P<value>(?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclass(frozen=True)
class Sample:
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


class Page:
    """The samples of a page, by name."""

    def __init__(self, samples: list[Sample]) -> None:
        """Sort them."""
        self._samples: dict[str, list[Sample]] = {}
        for sample in samples:
            self._samples.setdefault(sample.name, []).append(sample)

    @property
    def names(self) -> frozenset[str]:
        """The names there are."""
        return frozenset(self._samples)

    def of(self, name: str) -> list[Sample]:
        """The samples of one name; none where the page has none."""
        return self._samples.get(name, [])

    def total(self, name: str, **labels: str) -> float:
        """The sum over the samples of one name that have these labels."""
        wanted = labels.items()
        return sum(one.value for one in self.of(name) if wanted <= one.labels.items())


def parse(text: str) -> Page:
    """The samples of a page; lines that are none are passed over."""
    samples = []
    for line in text.split("\n"):
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line)
        if found is not None:
            try:
                value = float(found["value"])
            except ValueError:
                continue
            samples.append(Sample(found["name"], _labels(found["labels"] or ""), value))
    return Page(samples)


def _labels(text: str) -> dict[str, str]:
    return {
        one["name"]: re.sub(r"\\.", lambda hit: _ESCAPES.get(hit[0], hit[0]), one["value"])
        for one in _LABEL.finditer(text)
    }
