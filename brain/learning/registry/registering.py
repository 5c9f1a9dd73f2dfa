"""Keeping the registry level with what happened: turns, champions, the challenger, aliases.

A registry that is away costs nothing but a note: what was not registered is tried again by the
next turn, whatever came of that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ....classifier.artifact import ArtifactError, write_whole
from ....classifier.tracking import TrackingError
from ...models import champions
from ...models import kept as kept_models
from ...models.champions import Champion
from ...store import Store
from .logged_turn import LoggedTurn
from .registry import ARM, CHALLENGER, CHAMPION, Registry

log = logging.getLogger("jobmend.learning")

_WAITING = "unregistered"  # folder of turns that could not be told yet
MAX_WAITING = 100


@dataclass(frozen=True)
class Challenger:
    """The model in shadow: where it is saved, the turn that made it, tags such as the arm."""

    turn: str
    directory: Path
    tags: Mapping[str, str] = field(default_factory=dict)


def record(
    store: Store,
    registry: Registry,
    models: Path,
    turn: LoggedTurn,
    challenger: Challenger | None,
) -> tuple[str, ...]:
    """Tell the registry of a turn, and what else it does not know.

    The same call again changes nothing. Notes say what could not be done; never raises
    TrackingError.
    """
    waiting = _waiting(models, turn.subject)
    waiting.mkdir(parents=True, exist_ok=True)
    write_whole(waiting / f"{turn.turn}.json", turn.to_json())
    return catch_up(store, registry, models, turn.subject, challenger)


def catch_up(
    store: Store, registry: Registry, models: Path, subject: str, challenger: Challenger | None
) -> tuple[str, ...]:
    """Tell the registry of turns and champions it missed, and who is champion and challenger now.

    As :func:`record`, without a turn of its own.
    """
    notes: list[str] = []
    steps: tuple[Callable[[], list[str]], ...] = (
        lambda: _tell_turns(registry, _waiting(models, subject)),
        lambda: _tell_champions(store, registry, models, subject),
        lambda: _tell_challenger(registry, subject, challenger),
    )
    for tell in steps:
        try:
            notes += tell()
        except TrackingError as error:
            log.warning("subject=%s %s", subject, error)
            notes.append(str(error))
    return tuple(dict.fromkeys(notes))


def follow(store: Store, registry: Registry, subject: str) -> None:
    """Point the alias at the newest champion, where the registry knows it; TrackingError.

    It is looked again behind that, so that of two who do this at once none leaves an older one.
    """
    newest = None
    while newest != (now := _newest(store, subject)):
        newest = now
        if newest is not None and newest.version:
            registry.alias(subject, CHAMPION, newest.version)


def _newest(store: Store, subject: str) -> Champion | None:
    with store.read() as db:
        return champions.newest(db, subject)


def _waiting(models: Path, subject: str) -> Path:
    return models / "learning" / subject / _WAITING


def _tell_turns(registry: Registry, waiting: Path) -> list[str]:
    """Log the turns that wait, oldest first; those beyond the newest MAX_WAITING are given up."""
    files = sorted(waiting.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for file in files[:-MAX_WAITING]:
        file.unlink()
    for file in files[-MAX_WAITING:]:
        try:
            registry.log_turn(LoggedTurn.from_json(file.read_bytes()))
        except ValueError as error:
            log.warning("%s: is no turn and is not told to MLflow: %s", file, error)
        file.unlink()
    return []


def _tell_champions(store: Store, registry: Registry, models: Path, subject: str) -> list[str]:
    """Register champions whose files are kept, oldest first; the alias follows the newest."""
    notes = []
    with store.read() as db:
        rows = champions.history(db, subject)[::-1]
    for champion in rows:
        if champion.version:
            continue
        try:
            _tell_champion(store, registry, models, champion)
        except ArtifactError as error:
            notes.append(f"champion {champion.number} of {subject} is not registered: {error}")
    follow(store, registry, subject)
    return notes


def _tell_champion(store: Store, registry: Registry, models: Path, champion: Champion) -> None:
    directory = kept_models.path_of(models, champion.subject, champion.restores)
    trained = str(champion.body.get("turn") or champion.turn or f"champion {champion.number}")
    version = registry.register(champion.subject, trained, directory, {ARM: champion.arm})
    with store.write() as db:
        champions.note_registry(db, champion, version.as_dict())


def _tell_challenger(registry: Registry, subject: str, challenger: Challenger | None) -> list[str]:
    if challenger is None:
        registry.alias(subject, CHALLENGER, None)
        return []
    try:
        version = registry.register(subject, challenger.turn, challenger.directory, challenger.tags)
    except ArtifactError as error:
        return [f"the challenger of {subject} is not registered: {error}"]
    registry.alias(subject, CHALLENGER, version.version)
    return []
