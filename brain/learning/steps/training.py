"""Step train: one arm learns and is saved; an arm that cannot learn is left out with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....classifier.artifact import ArtifactError
from ..subject import Content, Example, Model, Tell
from ..work import OutOfTime, Work

ARMS = "arms"


@dataclass(frozen=True)
class Trained:
    """An arm that learned, or why it did not."""

    arm: str
    examples: int
    why_not: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    length: dict[str, float] = field(default_factory=dict)  # of the examples that it reads


def path_of(work: Work[Content], arm: str) -> Path:
    """Where the model of an arm is saved."""
    return work.folder / ARMS / arm


def train_arm(
    work: Work[Content], arm: str, train: Sequence[Example[Content]], left: Callable[[], float]
) -> Trained:
    """Train ``arm`` and save it. ``left`` gives the seconds that the turn may still take.

    Time is looked at whenever the arm tells its progress.
    """
    try:
        model = work.subject.train(arm, train, work.seed, _timed(work.tell, left))
        _save(model, path_of(work, arm))
    except (ArtifactError, ValueError) as error:
        return Trained(arm, len(train), str(error))
    except OutOfTime:
        minutes = work.config.learning.turn_minutes
        return Trained(arm, len(train), f"out of time: the turn may take {minutes:g} minutes")
    plain = json.loads(json.dumps(model.get_params(), default=str))
    return Trained(arm, len(train), params=plain, length=dict(work.subject.length(model)))


def _timed(tell: Tell, left: Callable[[], float]) -> Tell:
    def timed(what: str, done: int, total: int) -> None:
        if left() <= 0:
            raise OutOfTime
        tell(what, done, total)

    timed("", 0, 0)
    return timed


def _save(model: Model, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    model.save(directory)
