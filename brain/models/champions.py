"""The champions of each subject, one row each, and going back to one of before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...classifier.artifact import ArtifactError, check_format
from .. import audit
from ..config import BrainConfig
from ..store import Store
from . import kept as kept_models

ROLLED_BACK = "champion rolled back"


class ChampionError(Exception):
    """A champion that cannot be had or made; the message says which and what to do."""


@dataclass(frozen=True)
class Champion:
    """A model that was promoted, or restored, to judge.

    ``body`` is its lineage, JSON values by name, all optional: ``arm``, ``params``, ``length`` (of
    the windows it reads: ``{"steps", "step_seconds"}``), ``turn`` that trained it,
    ``parts`` (the data: a list of ``{"name", "digest", "examples", "first", "last"}``),
    ``code``, ``environment``, ``band``, ``figures``, ``registry`` (``{"uri", "run", "version"}``),
    and of a restored one ``restores`` and ``by``.
    """

    subject: str
    number: int
    digest: str  # of the model, see artifact.digest
    turn: str  # the turn that made it champion; empty where a person did
    promoted: float
    why: str
    body: Mapping[str, Any]

    @property
    def arm(self) -> str:
        """The arm it was trained by; empty where unknown."""
        return str(self.body.get("arm", ""))

    @property
    def version(self) -> str:
        """Its version in the registry; empty before it was registered."""
        return str(self.body.get("registry", {}).get("version", ""))

    @property
    def restores(self) -> int:
        """The number whose model it is: its own, unless it is one of before that was restored."""
        return int(self.body.get("restores", self.number))


def add(
    db: sqlite3.Connection,
    subject: str,
    *,
    digest: str,
    turn: str,
    now: float,
    why: str,
    body: Mapping[str, Any],
) -> Champion:
    """Add a champion under the next number; a turn that made one already gets that one back."""
    known = of_turn(db, subject, turn)
    if known is not None:
        return known
    new = Champion(subject, next_number(db, subject), digest, turn, now, why, body)
    db.execute(
        "INSERT INTO champions (subject, number, digest, turn, promoted, why, body)"
        " VALUES (?,?,?,?,?,?,?)",
        (subject, new.number, digest, turn, now, why, json.dumps(dict(body))),
    )
    return new


def next_number(db: sqlite3.Connection, subject: str) -> int:
    """The number that the next champion gets."""
    last = newest(db, subject)
    return last.number + 1 if last else 1


def of_turn(db: sqlite3.Connection, subject: str, turn: str) -> Champion | None:
    """The champion that a turn made; None where it made none."""
    return _one(db, "subject = ? AND turn = ? AND turn <> ''", subject, turn)


def newest(db: sqlite3.Connection, subject: str) -> Champion | None:
    """The champion now; None before the first."""
    return _one(db, "subject = ?", subject)


def get(db: sqlite3.Connection, subject: str, number: int) -> Champion | None:
    """The champion of this number."""
    return _one(db, "subject = ? AND number = ?", subject, number)


def by_digest(db: sqlite3.Connection, digest: str, subject: str | None = None) -> Champion | None:
    """The first champion that is this model; None for one that no turn made."""
    rows = [one for one in _all(db, "digest = ?", digest) if subject in (None, one.subject)]
    return rows[0] if rows else None


def previous(db: sqlite3.Connection, subject: str) -> Champion | None:
    """The last champion before the newest that is another model."""
    rows = history(db, subject)
    return next((one for one in rows[1:] if one.digest != rows[0].digest), None)


def history(db: sqlite3.Connection, subject: str) -> list[Champion]:
    """All champions of a subject, newest first."""
    return _all(db, "subject = ?", subject)[::-1]


def subjects(db: sqlite3.Connection) -> list[str]:
    """The subjects that ever had a champion."""
    rows = db.execute("SELECT DISTINCT subject FROM champions ORDER BY subject")
    return [row["subject"] for row in rows]


def note_registry(db: sqlite3.Connection, champion: Champion, entry: Mapping[str, str]) -> Champion:
    """Note where a champion stands in the registry."""
    body = {**champion.body, "registry": dict(entry)}
    db.execute(
        "UPDATE champions SET body = ? WHERE subject = ? AND number = ?",
        (json.dumps(body), champion.subject, champion.number),
    )
    return replace(champion, body=body)


def _one(db: sqlite3.Connection, where: str, *values: object) -> Champion | None:
    rows = _all(db, where, *values)
    return rows[-1] if rows else None


def _all(db: sqlite3.Connection, where: str, *values: object) -> list[Champion]:
    """Oldest first. ``where`` is SQL of this module, never of strangers."""
    rows = db.execute(
        "SELECT subject, number, digest, turn, promoted, why, body FROM champions"
        f" WHERE {where} ORDER BY subject, number",
        values,
    )
    return [Champion(**{**dict(row), "body": json.loads(row["body"])}) for row in rows]


def promote(
    store: Store,
    models: Path,
    subject: str,
    model: Path,
    *,
    turn: str,
    now: float,
    why: str,
    body: Mapping[str, Any],
    over: int | None = None,
) -> Champion:
    """Make the model saved in ``model`` the champion: keep its files and add its row.

    Whatever is interrupted, the same call again does what is missing and nothing twice. ``over``
    is the number of the champion it was compared with (0: none); ChampionError where that is the
    champion no more. ArtifactError where the model is damaged. Publishing is a step of its own.
    """
    with store.read() as db:
        known = of_turn(db, subject, turn)
    if known is not None:
        return known
    staged, digest = kept_models.stage(models, subject, model, turn)
    with store.write() as db:
        last = newest(db, subject)
        if over is not None and over != (last.number if last else 0):
            raise ChampionError(
                f"{subject}: champion {over or 'none'} was replaced while turn {turn} ran; "
                "its model was not promoted, the next turn compares anew"
            )
        kept_models.settle(models, subject, staged, next_number(db, subject))
        return add(db, subject, digest=digest, turn=turn, now=now, why=why, body=body)


def publish(store: Store, models: Path, subject: str) -> Champion | None:
    """Put the files of the newest champion where the brain judges with them and nodes get them.

    None where there is no champion. Any process may do it at any time: the last one to publish
    publishes the newest. ArtifactError where its files are gone or damaged.
    """
    with kept_models.publishing(models):
        with store.read() as db:
            champion = newest(db, subject)
        if champion is not None:
            kept_models.publish(models, subject, champion.restores, champion.digest)
    return champion


def roll_back(
    store: Store,
    config: BrainConfig,
    subject: str,
    number: int | None,
    who: str,
    why: str,
    now: float,
    *,
    turn: str = "",
    publishes: bool = True,
    version: int | None = None,
) -> Champion:
    """Make a champion of before the champion again, under a new number, and publish it.

    Without ``number`` the one before, or the newest where a model trained by hand is in use.
    ChampionError where there is none, or its files are gone, damaged or not of ``version``, where
    one is wanted.
    A turn that does so by itself gives its id, and is not carried out twice.
    """
    models = config.store.models
    with store.write() as db:
        champion = of_turn(db, subject, turn)
        if champion is None:
            wanted = _wanted(db, models, subject, number)
            _check_kept(models, wanted, version)
            body = {**wanted.body, "restores": wanted.restores, "by": who}
            champion = add(
                db, subject, digest=wanted.digest, turn=turn, now=now, why=why, body=body
            )
            detail = f"{subject}: {champion.number} restores {wanted.restores}: {why}"
            audit.note(db, now, who, ROLLED_BACK, None, detail)
    if publishes:
        publish(store, models, subject)
    return champion


def _wanted(db: sqlite3.Connection, models: Path, subject: str, number: int | None) -> Champion:
    """The champion to go back to: where a model of no turn is in use, the newest."""
    last, used = newest(db, subject), kept_models.in_use(models, subject)
    if number is not None:
        found = get(db, subject, number)
    elif last is not None and last.digest != used:
        found = last
    else:
        found = previous(db, subject)
    if found is None:
        which = "champion before the one in use" if number is None else f"champion {number}"
        raise ChampionError(
            f"{subject}: there is no {which}; jobmend models history {subject} lists all"
        )
    if found.digest == used:
        raise ChampionError(f"{subject}: champion {found.number} is the model in use already")
    return found


def _check_kept(models: Path, wanted: Champion, version: int | None) -> None:
    path = kept_models.path_of(models, wanted.subject, wanted.restores)
    try:
        if version is not None:
            check_format(path, wanted.subject, version)
        kept_models.check(models, wanted.subject, wanted.restores, wanted.digest)
    except ArtifactError as error:
        raise ChampionError(
            f"{wanted.subject}: the files of champion {wanted.number} cannot be used ({error}); "
            "choose another one"
        ) from error


def prune(store: Store, models: Path, subject: str, keep: int = 10) -> None:
    """Remove the files of all but the newest ``keep`` champions, never the one in use.

    Nor the one before; rows stay.
    """
    with store.write() as db:
        rows = history(db, subject)
        before = previous(db, subject)
        kept = {one.restores for one in rows[: max(keep, 1)]}
        kept |= {before.restores} if before else set()
        kept_models.prune(models, subject, kept)
