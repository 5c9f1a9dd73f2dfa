"""What a check is called, and what it finds: how it went, the cure, the manual's section."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(str, enum.Enum):
    """How a check went."""

    GOOD = "good"
    NOTE = "note"  # less is known or can be done, and that may be meant
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What a check found, the cure where it is not good, and where that is explained."""

    check: str
    level: Level
    text: str
    cure: str = ""
    manual: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that is looked at, by its name in docs/doctor.md, and the manual's section."""

    name: str
    manual: str

    def good(self, text: str) -> Finding:
        """It is in order."""
        return Finding(self.name, Level.GOOD, text, "", self.manual)

    def note(self, text: str, cure: str = "") -> Finding:
        """It may be meant to be so, or this user may not see it."""
        return Finding(self.name, Level.NOTE, text, cure, self.manual)

    def bad(self, text: str, cure: str) -> Finding:
        """Something does not work, and ``cure`` is what to do."""
        return Finding(self.name, Level.BAD, text, cure, self.manual)
