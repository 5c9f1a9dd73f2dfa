"""What all steps of one turn share, and how steps end early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from ..config import BrainConfig
from .seen import mark
from .subject import Content, Example, Subject, Tell

DAY = 86400.0


class NothingToLearn(Exception):
    """There is too little to learn from yet: no failure, the champion stays. One sentence."""


class OutOfTime(Exception):
    """The turn has taken all the time it may."""


@dataclass(frozen=True)
class Work(Generic[Content]):
    """One turn at work. Times are seconds since the epoch.

    The newest period begins where the last turn that decided by its own ended it, so that no model
    but those of this turn learned from it. What came late belongs to it too: ``seen`` are marks of
    what the turns before have seen; where there are none, time alone tells. ``left_out`` are those
    of what they had no room for.
    """

    id: str
    subject: Subject[Content]
    config: BrainConfig
    begun: float
    newest_since: float
    folder: Path
    tell: Tell
    seen: frozenset[bytes] = frozenset()
    left_out: frozenset[bytes] = frozenset()

    @property
    def since(self) -> float:
        """Where the days begin that are read."""
        return self.begun - self.config.learning.days * DAY

    def is_new(self, example: Example[Content]) -> bool:
        """Is it of the newest period, by its time or because no turn before has seen it?

        What is remembered of days before those that are read was seen.
        """
        if example.time >= self.newest_since:
            return True
        return bool(self.seen) and example.time >= self.since and mark(example) not in self.seen

    @property
    def models(self) -> Path:
        """The folder of all models."""
        return self.config.store.models

    @property
    def seed(self) -> int:
        """Of all chance in the turn."""
        return self.config.learning.seed
