"""From a recommendation to the models that judged it, and to the data and code behind them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...classifier.artifact import ArtifactError
from .. import recommendations
from . import champions
from . import kept as kept_models
from .champions import Champion
from .shelf import FAILURES

MAX_WORDS = 100  # of persons, that are listed; all are counted


@dataclass(frozen=True)
class DataPart:
    """A part of the data; ``digest`` is SHA-256, times are epoch seconds, None where unknown."""

    name: str
    digest: str
    examples: int
    first: float | None
    last: float | None


@dataclass(frozen=True)
class PersonsWord:
    """What a person said of one example before the model learned."""

    time: float
    who: str
    key: str
    before: str
    after: str
    label: str


@dataclass(frozen=True)
class ModelLineage:
    """Where one model comes from.

    ``origin`` is ``turn`` (of the learning loop), ``hand`` (somebody trained it) or ``unknown``
    (neither a champion nor in use any more). ``length`` has ``steps`` and ``step_seconds`` of the
    windows that a trace model reads. ``champion`` is the number under which it judged,
    ``trained_as`` the one it had first; ``about`` says in a sentence what is known besides.
    """

    subject: str
    digest: str
    origin: str
    about: str
    champion: int | None = None
    trained_as: int | None = None
    promoted: float | None = None
    why: str = ""
    arm: str = ""
    length: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    turn: str = ""
    parts: Sequence[DataPart] = ()
    code: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    registry: Mapping[str, str] = field(default_factory=dict)
    vetted: int = 0
    words: Sequence[PersonsWord] = ()


@dataclass(frozen=True)
class Lineage:
    """Of one recommendation; ``about`` says why there is no model where there is none."""

    recommendation: int
    created: float
    about: str
    models: Sequence[ModelLineage]


def of_recommendation(db: sqlite3.Connection, id: int, models: Path) -> Lineage:
    """The lineage of recommendation ``id``; UnknownRecommendation if there is none.

    ``models`` is the folder of models, for what is in use and no turn made.
    """
    found = recommendations.get(db, id)
    lines = [
        of_model(db, models, subject, digest, found.created)
        for subject, digest in sorted(found.models.items())
    ]
    about = "" if lines else "rules alone judged it, or it is older than the memory of models"
    return Lineage(id, found.created, about, lines)


def of_model(
    db: sqlite3.Connection, models: Path, subject: str, digest: str, time: float
) -> ModelLineage:
    """The lineage of a model that judged at ``time``."""
    rows = [one for one in champions.history(db, subject) if one.digest == digest]
    if rows:
        active = next((one for one in rows if one.promoted <= time), rows[-1])
        return _of_champion(db, active, rows[-1])
    if kept_models.in_use(models, subject) == digest:
        return _by_hand(models, subject, digest)
    about = "trained by hand, and replaced since: nothing more is known of it"
    return ModelLineage(subject, digest, "unknown", about)


def _of_champion(db: sqlite3.Connection, active: Champion, first: Champion) -> ModelLineage:
    """``active`` is the row under which it judged, ``first`` the one it was promoted with."""
    body = active.body
    parts = [_part(told) for told in body.get("parts", ())]
    words = _words(db, active.subject, parts, first.promoted)
    restored = f", restored by {body['by']} as champion {active.number}" if "by" in body else ""
    return ModelLineage(
        subject=active.subject,
        digest=active.digest,
        origin="turn",
        about=f"champion {first.number} of the learning loop{restored}",
        champion=active.number,
        trained_as=first.number,
        promoted=active.promoted,
        why=active.why,
        arm=active.arm,
        length=dict(body.get("length", {})),
        params=dict(body.get("params", {})),
        turn=str(body.get("turn", first.turn)),
        parts=parts,
        code=str(body.get("code", "")),
        environment=dict(body.get("environment", {})),
        registry=dict(body.get("registry", {})),
        vetted=len(words),
        words=words[:MAX_WORDS],
    )


def _part(told: Mapping[str, Any]) -> DataPart:
    return DataPart(
        told["name"],
        str(told.get("digest", "")),
        int(told.get("examples", 0)),
        told.get("first"),
        told.get("last"),
    )


def _words(
    db: sqlite3.Connection, subject: str, parts: Sequence[DataPart], before: float
) -> list[PersonsWord]:
    """What persons had said until ``before`` of examples from the time of ``parts``, newest first.

    Of each example its last word then.
    """
    first = min((part.first for part in parts if part.first is not None), default=None)
    last = max((part.last for part in parts if part.last is not None), default=None)
    if first is None or last is None:
        return []
    rows = db.execute(
        "SELECT max(v.id), v.time, v.who, v.key, v.before, v.after, v.label FROM vettings v"
        " JOIN quarantine q ON q.subject = v.subject AND q.key = v.key"
        " WHERE v.subject = ? AND v.time <= ? AND q.time BETWEEN ? AND ?"
        " GROUP BY v.key ORDER BY max(v.id) DESC",
        (subject, before, first, last),
    )
    return [PersonsWord(*row[1:]) for row in rows if row["after"] != "waiting"]


def _by_hand(models: Path, subject: str, digest: str) -> ModelLineage:
    try:
        known = _of_failures(models / subject) if subject == FAILURES else _of_traces(models)
    except ArtifactError as error:
        known = {"about": f"trained by hand; {error}"}
    return ModelLineage(subject=subject, digest=digest, origin="hand", **known)


def _of_failures(directory: Path) -> dict[str, Any]:
    from ...classifier.failures.model import FailureClassifier

    model = FailureClassifier.load(directory)
    about = model.about_
    kind = "synthetic " if about.synthetic else ""
    return {
        "about": f"trained by hand on {about.tasks} {kind}tasks ({about.origin})",
        "arm": about.champion,
        "params": model.get_params(),
        "parts": [DataPart("train", "", about.tasks, about.first, about.last)],
    }


def _of_traces(models: Path) -> dict[str, Any]:
    from ...classifier.traces.model import TraceModel

    model = TraceModel.load(models / "traces")
    return {
        "about": "trained by hand on stored windows of runs that ended well; which ones was "
        "not kept",
        "arm": model.reconstruction,
        "length": asdict(model.length),
        "params": model.get_params(),
    }
