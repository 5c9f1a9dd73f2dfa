"""Examples of failed tasks in one JSON file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ....classifier.artifact import write_whole
from ....classifier.failures.task import Cell, Decision, FailedTask
from ....jobs.identity import SiteStatus
from ..subject import Example

FORMAT = 1


@dataclass(frozen=True)
class _Row:
    """One example; ``cells`` are (code, site, status, failures)."""

    key: str
    time: float
    group: str
    kind: str
    truth: str
    label: str
    name: str
    decided: float | None
    cause: str
    cells: list[tuple[str, str, SiteStatus, int]] = field(default_factory=list)
    features: dict[str, float] = field(default_factory=dict)
    decision: Decision | None = None


@dataclass(frozen=True)
class _Document:
    jobmend_examples: int
    examples: list[_Row]


_DOCUMENT = TypeAdapter(_Document)


def write(path: Path, examples: Sequence[Example[FailedTask]]) -> None:
    """Write examples, in whatever order, whole or not at all."""
    document = _Document(FORMAT, [_row(example) for example in examples])
    write_whole(path, _DOCUMENT.dump_json(document))


def read(path: Path) -> list[Example[FailedTask]]:
    """The examples, oldest first; ValueError names the file where it is damaged."""
    try:
        document = _DOCUMENT.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        words = str(error).partition("\n")[0][:200]
        raise ValueError(f"{path}: damaged, begin another turn: {words}") from error
    if document.jobmend_examples != FORMAT:
        raise ValueError(f"{path}: format {document.jobmend_examples}, this version reads {FORMAT}")
    found = [_example(row) for row in document.examples]
    return sorted(found, key=lambda example: (example.time, example.key))


def _row(example: Example[FailedTask]) -> _Row:
    task = example.content
    return _Row(
        key=example.key,
        time=example.time,
        group=example.group,
        kind=example.kind,
        truth=example.truth,
        label=example.label,
        name=task.name,
        decided=task.time,
        cause=task.cause,
        cells=[(*cell, count) for cell, count in task.cells.items()],
        features={name: value for name, value in task.features.items() if math.isfinite(value)},
        decision=task.decision,
    )


def _example(row: _Row) -> Example[FailedTask]:
    cells = {Cell(code, site, status): count for code, site, status, count in row.cells}
    task = FailedTask(row.name, cells, row.features, row.decided, row.decision, row.cause)
    return Example(row.key, row.time, row.group, row.kind, row.truth, task, row.label)
