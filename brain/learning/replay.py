"""What is remembered of days that are no longer read, against forgetting: a fair sample by kind.

Each kind has a reservoir of its own, so that rare types of jobs are not drowned by common ones
(Vitter 1985; Rolnick et al. 2019, "Experience replay for continual learning").
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Generic

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ...classifier.artifact import write_whole
from .. import quarantine
from ..quarantined import Vetting
from ..store import Store
from . import folders
from .reservoir import Reservoir
from .seen import mark
from .subject import Content, Example, Subject
from .work import DAY, Work

FOLDER = "replay"  # below the subject's turns
STATE = "replay.json"


@dataclass(frozen=True)
class _State:
    """``seen`` counts what each kind's reservoir was offered; ``file`` holds what was kept."""

    turn: str = ""
    reached: float = 0.0
    file: str = ""
    seen: dict[str, int] = field(default_factory=dict)


class Replay(Generic[Content]):
    """The reservoir of a subject in ``directory``, of at most ``limit`` examples.

    The state file is written last and names the file of examples: a killed turn leaves the
    reservoir as it was before, and begun again it draws the same.
    """

    def __init__(
        self, subject: Subject[Content], directory: Path, limit: int, seed: int = 0
    ) -> None:
        """Read the state; one that cannot be read is taken for none."""
        self._subject = subject
        self._directory = directory
        self._limit = limit
        self._seed = seed
        self._state = _read(directory / STATE)

    @property
    def reached(self) -> float:
        """Up to when (seconds since the epoch) examples were offered; 0 before the first time."""
        return self._state.reached

    def examples(self) -> list[Example[Content]]:
        """What is remembered, oldest first; ValueError where its file is damaged."""
        if not self._state.file:
            return []
        found = self._subject.read(self._directory / self._state.file)
        return sorted(found, key=lambda example: (example.time, example.key))

    def take(
        self, turn: str, older: Sequence[Example[Content]], until: float
    ) -> list[Example[Content]]:
        """Offer the examples from before ``until`` that were not offered yet; what is remembered.

        A second time for the same turn it changes nothing. A damaged file is begun anew.
        """
        if turn and turn == self._state.turn:
            return self.examples()
        kept, seen = self._kept()
        fresh = [one for one in older if self.reached <= one.time < until]
        offered = _by_kind(fresh)
        kinds = _newest_kinds(_by_kind([*kept, *fresh]), self._limit)
        room = self._limit // len(kinds) if kinds else 0
        reservoirs = {
            kind: Reservoir(
                room, self._rng(turn, kind), _by_kind(kept).get(kind), seen.get(kind, 0)
            )
            for kind in kinds
        }
        for kind, reservoir in reservoirs.items():
            for example in offered.get(kind, []):
                reservoir.add(example)
        self._keep(turn, max(until, self.reached), reservoirs)
        return self.examples()

    def _kept(self) -> tuple[list[Example[Content]], dict[str, int]]:
        try:
            return self.examples(), dict(self._state.seen)
        except ValueError:
            return [], {}

    def _rng(self, turn: str, kind: str) -> np.random.Generator:
        told = f"{self._seed}/{turn}/{kind}".encode("utf-8", "surrogatepass")
        return np.random.default_rng(int.from_bytes(hashlib.sha256(told).digest()[:8], "big"))

    def _keep(
        self, turn: str, until: float, reservoirs: dict[str, Reservoir[Example[Content]]]
    ) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        examples = [example for one in reservoirs.values() for example in one.kept]
        name = f"replay-{hashlib.sha256(turn.encode()).hexdigest()[:16]}"
        self._subject.write(self._directory / name, examples)
        seen = {kind: one.seen for kind, one in reservoirs.items()}
        self._state = _State(turn, until, name, seen)
        write_whole(self._directory / STATE, json.dumps(asdict(self._state)).encode())
        for path in self._directory.glob("replay-*"):
            if path.name != name:
                path.unlink(missing_ok=True)


def remember(work: Work[Content], store: Store) -> list[Example[Content]]:
    """The turn's share of old days: what grew too old since the last turn is offered first.

    What waits for a person, is to be ignored, or was vetted by no turn, because it came too late or
    there was no room for it, is not. A second time for the same turn it changes nothing.
    """
    learning = work.config.learning
    directory = folders.subject_of(work.models, work.subject.name) / FOLDER
    replay = Replay(work.subject, directory, learning.replay, learning.seed)
    since = work.since
    first = max(replay.reached, since - learning.archive_days * DAY)  # no source has more
    older = work.subject.gather(first, since) if first < since else []
    with store.read() as db:
        words = quarantine.decisions(db, work.subject.name)
    apart = (Vetting.WAITING, Vetting.IGNORED)
    fit = [one for one in older if words.get(one.key, (None, ""))[0] not in apart]
    if work.seen:
        vetted = work.seen - work.left_out
        fit = [one for one in fit if mark(one) in vetted]
    # Where there was nothing the clock may be ahead: what is to come then is not passed over.
    return replay.take(work.id, fit, since if older else replay.reached)


def _by_kind(
    examples: Sequence[Example[Content]],
) -> dict[str, list[Example[Content]]]:
    found: dict[str, list[Example[Content]]] = {}
    for example in examples:
        found.setdefault(example.kind, []).append(example)
    return found


def _newest_kinds(found: dict[str, list[Example[Content]]], limit: int) -> list[str]:
    """The kinds there is room for, those seen last."""
    last = {kind: max(one.time for one in examples) for kind, examples in found.items()}
    return sorted(sorted(last), key=lambda kind: -last[kind])[:limit]


def _read(path: Path) -> _State:
    try:
        state = TypeAdapter(_State).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return _State()
    is_ours = state.file.startswith("replay-") and "/" not in state.file
    return state if is_ours and math.isfinite(state.reached) else _State()
