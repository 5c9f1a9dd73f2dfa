"""What all steps of one turn share, and how steps end early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from ..config import BrainConfig
from .subject import Content, Subject, Tell


class NothingToLearn(Exception):
    """There is too little to learn from yet: no failure, the champion stays. One sentence."""


class OutOfTime(Exception):
    """The turn has taken all the time it may."""


@dataclass(frozen=True)
class Work(Generic[Content]):
    """One turn at work. Times are seconds since the epoch.

    The newest period begins where the turn before ended its own, so that no model but those of
    this turn learned from it.
    """

    id: str
    subject: Subject[Content]
    config: BrainConfig
    begun: float
    newest_since: float
    folder: Path
    tell: Tell

    @property
    def models(self) -> Path:
        """The folder of all models."""
        return self.config.store.models

    @property
    def seed(self) -> int:
        """Of all chance in the turn."""
        return self.config.learning.seed
