"""Exit codes by family: few enough to watch, many enough to see what changes."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from ....classifier.failures.task import FailedTask
from ....jobs.exits import ExitKind

OTHER: Final = "others"
_PLACES = (
    ExitKind.NODE_FAILURE,
    ExitKind.PREEMPTED,
    ExitKind.HELD,
    ExitKind.LAUNCH_FAILURE,
    ExitKind.TRANSFER_FAILURE,
)
# The ranges of WMCore codes as CMS lists them (twiki JobExitCodes).
_RANGES = (
    (7000, 8999, "framework codes"),
    (10000, 19999, "environment codes"),
    (50000, 59999, "execution codes"),
    (60000, 69999, "stage-out codes"),
    (70000, 89999, "service codes"),
)
FAMILIES: Final = (
    "errors",
    "signals",
    "timeouts",
    "out of memory",
    "the place's failures",
    *(name for *_, name in _RANGES),
    OTHER,
)
_OWN = {
    ExitKind.TIMEOUT.value: "timeouts",
    ExitKind.OUT_OF_MEMORY.value: "out of memory",
    **{kind.value: "the place's failures" for kind in _PLACES},
}


def family(code: str) -> str:
    """The family of a code of a :class:`~jobmend.classifier.failures.task.Cell`."""
    if code in _OWN:
        return _OWN[code]
    if code.startswith("exit:"):
        return "errors"
    if code.startswith("signal:"):
        return "signals"
    if not re.fullmatch(r"\d{1,6}", code, re.ASCII):
        return OTHER
    number = int(code)
    names = (name for first, last, name in _RANGES if first <= number <= last)
    return next(names, "errors" if 0 < number < 256 else OTHER)


def shares(task: FailedTask) -> list[float]:
    """The share of a task's failures in each of :data:`FAMILIES`; NaN where nothing failed."""
    counts: Counter[str] = Counter()
    for cell, count in task.cells.items():
        counts[family(cell.code)] += count
    total = task.failures
    return [counts[name] / total if total else float("nan") for name in FAMILIES]
