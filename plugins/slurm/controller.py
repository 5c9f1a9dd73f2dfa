"""What ``scontrol show config`` prints: the settings in force, and the controller's clock."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

_TIME = re.compile(r"^Configuration data as of (\S+)$", re.M)
_LINE = re.compile(r"^(\w+)(?:\[\d+\])?\s*= ?(.*)$", re.M)
# What stands for nothing; 65534 and 65535 are NO_VAL16 and INFINITE16 of slurm.h.
_UNSET = frozenset({"", "(null)", "N/A", "none"})
_NO_LIMIT = frozenset({65534, 65535})


@dataclass(frozen=True)
class Controller:
    """Settings by name; a name that comes more than once (``Prolog[0]``) has several values."""

    values: Mapping[str, tuple[str, ...]]
    time: float | None = None  # epoch seconds when the controller answered

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a setting, and of a list in one line its members; nothing where unset."""
        told = ",".join(self.values.get(name, ()))
        return tuple(word.strip() for word in told.split(",") if word.strip() not in _UNSET)

    def one(self, name: str) -> str:
        """The value of a setting; empty where it is unset."""
        return ",".join(self.all(name))

    def number(self, name: str) -> int | None:
        """The number a value begins with, such as 300 of ``300 sec``; None: unset, or no limit."""
        found = re.match(r"\d+", self.one(name))
        value = int(found[0]) if found else None
        return None if value in _NO_LIMIT else value


def parse_controller(text: str) -> Controller:
    """Read the output, made with TZ=UTC; lines of another form are passed over."""
    values: dict[str, tuple[str, ...]] = {}
    for name, value in _LINE.findall(text):
        values[name] = (*values.get(name, ()), value.strip())
    return Controller(values, _time(text))


def _time(text: str) -> float | None:
    found = _TIME.search(text)
    try:
        return calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) if found else None
    except ValueError:
        return None
