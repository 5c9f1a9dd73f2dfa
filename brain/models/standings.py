"""Champion, challenger and what is in use of each subject, as the API tells them."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..learning import turns
from . import champions
from . import kept as kept_models
from .champions import Champion
from .shelf import FAILURES, TRACES

SUBJECTS = (FAILURES, TRACES)


@dataclass(frozen=True)
class ChampionEntry:
    """One champion. ``loss`` is its mean at promotion, lower is better; None where unknown.

    ``restores`` is the number whose model it is, ``by`` who restored it; ``version`` is that in the
    registry, empty where it is not registered; ``length`` has ``steps`` and ``step_seconds`` of the
    windows that a trace model reads.
    """

    subject: str
    number: int
    arm: str
    promoted: float
    turn: str
    why: str
    digest: str
    restores: int
    by: str
    loss: float | None
    version: str
    length: Mapping[str, float]


@dataclass(frozen=True)
class ChallengerEntry:
    """The model in shadow: who trained it, how often it has won."""

    arm: str
    turn: str
    won: int


@dataclass(frozen=True)
class Standing:
    """Of one subject. ``in_use`` is the digest of the model that judges, empty: none.

    ``by_hand``: no turn made that model.
    """

    subject: str
    in_use: str
    by_hand: bool
    champion: ChampionEntry | None
    challenger: ChallengerEntry | None


@dataclass(frozen=True)
class ModelList:
    """The standing of each subject."""

    models: list[Standing]


@dataclass(frozen=True)
class ChampionList:
    """Champions of a subject, newest first."""

    champions: list[ChampionEntry]


def standings(db: sqlite3.Connection, models: Path, now: float) -> ModelList:
    """How things stand."""
    return ModelList([_standing(db, models, subject, now) for subject in SUBJECTS])


def history(db: sqlite3.Connection, subject: str) -> ChampionList:
    """All champions of a subject."""
    return ChampionList([entry_of(one) for one in champions.history(db, subject)])


def entry_of(champion: Champion) -> ChampionEntry:
    """A champion as it is told."""
    body = champion.body
    return ChampionEntry(
        subject=champion.subject,
        number=champion.number,
        arm=champion.arm,
        promoted=champion.promoted,
        turn=champion.turn,
        why=champion.why,
        digest=champion.digest,
        restores=champion.restores,
        by=str(body.get("by", "")),
        loss=_loss(champion),
        version=str(body.get("registry", {}).get("version", "")),
        length=dict(body.get("length", {})),
    )


def _loss(champion: Champion) -> float | None:
    """Its mean loss where it was judged at promotion: beside the champion, or on validation."""
    figures = champion.body.get("figures") or {}
    names = ["shadow challenger", "new challenger", f"validation {champion.arm}"]
    if champion.body.get("turn") == champion.turn:  # it did not wait in shadow
        names = names[1:]
    found = next((figures[name] for name in names if name in figures), None)
    loss = champion.body.get("loss", found)
    return float(loss) if isinstance(loss, (int, float)) and math.isfinite(loss) else None


def _standing(db: sqlite3.Connection, models: Path, subject: str, now: float) -> Standing:
    newest = champions.newest(db, subject)
    used = kept_models.in_use(models, subject)
    return Standing(
        subject=subject,
        in_use=used,
        by_hand=bool(used) and champions.by_digest(db, used, subject) is None,
        champion=entry_of(newest) if newest else None,
        challenger=_challenger(db, subject, now),
    )


def _challenger(db: sqlite3.Connection, subject: str, now: float) -> ChallengerEntry | None:
    last = turns.decided(db, subject, now)
    told = last.body.get("shadow") if last else None
    return ChallengerEntry(told["arm"], told["turn"], told["won"]) if told else None
