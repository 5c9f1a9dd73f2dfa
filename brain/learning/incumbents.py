"""Who is in use, who was before, who waits in shadow: the models a turn is compared with."""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...classifier import artifact
from ...classifier.artifact import ArtifactError
from ..models import champions
from ..models import kept as kept_models
from . import folders, turns
from .subject import Model
from .work import Work

log = logging.getLogger("jobmend.learning")

BY_HAND = "trained by hand"


@dataclass(frozen=True)
class Incumbent:
    """A model that was not trained in this turn. ``body`` is its lineage."""

    arm: str
    model: Model
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def band(self) -> tuple[float, float] | None:
        """Where its mean loss is expected; None where nobody could say."""
        low, high = self.body.get("band") or (None, None)
        return None if low is None or high is None else (float(low), float(high))

    @property
    def learned_until(self) -> float:
        """The newest time that it learned from; infinity where unknown."""
        parts = {part["name"]: part for part in self.body.get("parts", ())}
        last = parts.get("train", {}).get("last")
        return math.inf if last is None else float(last)


@dataclass(frozen=True)
class Shadow:
    """A challenger that won once: its folder is named by ``turn``; ``won`` counts its wins."""

    turn: str
    arm: str
    won: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Incumbents:
    """All there are; ``number`` is that of the newest champion, 0 before the first."""

    number: int
    champion: Incumbent | None
    previous: Incumbent | None
    shadow: Incumbent | None
    waiting: Shadow | None


def find(work: Work[Any], db: sqlite3.Connection) -> Incumbents:
    """Read them all. One whose files cannot be used is left out, and the log says why."""
    name = work.subject.name
    newest, before = champions.newest(db, name), champions.previous(db, name)
    waiting = shadow_of(db, name, work.begun)
    by_hand = trained_by_hand(work, db)
    return Incumbents(
        number=newest.number if newest else 0,
        champion=by_hand or _of(work, newest),
        # Whom a person put there nothing is rolled back over: neither a model trained by hand, nor
        # a champion that a person went back to.
        previous=None if by_hand or (newest and not newest.turn) else _of(work, before),
        shadow=_shadow(work, waiting),
        waiting=waiting,
    )


def shadow_of(db: sqlite3.Connection, subject: str, now: float) -> Shadow | None:
    """Who waits in shadow, as the newest turn that came to a decision left it."""
    last = turns.decided(db, subject, now)
    told = last.body.get("shadow") if last else None
    return Shadow(**told) if told else None


def _of(work: Work[Any], champion: champions.Champion | None) -> Incumbent | None:
    if champion is None:
        return None
    kept = kept_models.path_of(work.models, champion.subject, champion.restores)
    used = work.models / champion.subject
    paths = [path for path in (kept, used) if _digest(path) == champion.digest]
    model = next((model for path in paths if (model := _load(work, path)) is not None), None)
    return None if model is None else Incumbent(champion.arm or BY_HAND, model, champion.body)


def trained_by_hand(work: Work[Any], db: sqlite3.Connection) -> Incumbent | None:
    """The model in use where no turn made it: whoever trained it by hand wants it to judge."""
    path = work.models / work.subject.name
    digest = _digest(path)
    if not digest or champions.by_digest(db, digest, work.subject.name) is not None:
        return None
    model = _load(work, path)
    return None if model is None else Incumbent(BY_HAND, model)


def _shadow(work: Work[Any], waiting: Shadow | None) -> Incumbent | None:
    if waiting is None:
        return None
    model = _load(work, folders.shadow_of(work.models, work.subject.name, waiting.turn))
    return None if model is None else Incumbent(waiting.arm, model, waiting.body)


def _digest(path: Path) -> str:
    """Which model it is; empty where there is none."""
    try:
        return artifact.digest(path)
    except ArtifactError:
        return ""


def _load(work: Work[Any], path: Path) -> Model | None:
    try:
        return work.subject.load(path)
    except ArtifactError as error:
        log.warning(
            "subject=%s turn=%s the model is left out: %s", work.subject.name, work.id, error
        )
        return None
