"""Step vet as the turn takes it: what of the examples is learned from, by key and label."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....classifier.artifact import write_whole
from ....classifier.drift import FEWEST
from ... import quarantine
from ...store import Store
from .. import seen
from ..incumbents import Incumbent
from ..subject import Content, Example
from ..vetting.period import heeded
from ..vetting.vet import Vetted, vet
from ..work import Work

FILE = "vetted.json"


@dataclass(frozen=True)
class Sifted:
    """Numbers of examples; ``psi`` is the largest of all features, None where nothing was said.

    ``odd_share`` and ``suspect_share`` are those of :class:`..vetting.judging.Judgement`, None
    where there was no champion to judge by, or nothing to judge.
    """

    newest: int
    older: int
    quarantined: int
    waiting: int
    drifted: int
    psi: float | None
    whole: bool
    why: str
    odd_share: float | None = None
    suspect_share: float | None = None


def sift(
    work: Work[Content],
    store: Store,
    examples: Sequence[Example[Content]],
    champion: Incumbent | None,
) -> Sifted:
    """Vet what is new, apply persons' words to all, and write down what is left and was seen."""
    newest = [one for one in examples if work.is_new(one)]
    older = [one for one in examples if not work.is_new(one)]
    vetted = vet(
        work.subject,
        champion.model if champion else None,
        newest,
        _learned(older, champion),
        store,
        work.id,
        work.config.learning,
        work.begun,
        older,
    )
    with store.read() as db:
        past = heeded(older, quarantine.decisions(db, work.subject.name))
    labels = {one.key: one.label for one in (*past, *vetted.kept)}
    write_whole(work.folder / FILE, json.dumps(labels).encode())
    with store.write() as db:
        seen.keep(db, work.subject.name, work.id, examples, work.since)
    return _counted(vetted, len(past))


def _counted(vetted: Vetted[Any], older: int) -> Sifted:
    indices = [one.psi for one in vetted.drifts if math.isfinite(one.psi)]
    return Sifted(
        newest=len(vetted.kept),
        older=older,
        quarantined=vetted.quarantined,
        waiting=vetted.waiting,
        drifted=sum(one.drifted for one in vetted.drifts),
        psi=max(indices, default=None),
        whole=vetted.whole,
        why=vetted.why,
        odd_share=vetted.odd_share,
        suspect_share=vetted.suspect_share,
    )


def kept_of(work: Work[Content], examples: Sequence[Example[Content]]) -> list[Example[Content]]:
    """The examples that were left, with the labels persons gave."""
    labels: Mapping[str, str] = json.loads((work.folder / FILE).read_bytes())
    return [replace(one, label=labels[one.key]) for one in examples if one.key in labels]


def _learned(
    older: Sequence[Example[Content]], champion: Incumbent | None
) -> Sequence[Example[Content]]:
    """What the champion learned from, as far as it is there; all that is older where too few."""
    if champion is None:
        return older
    learned = [one for one in older if one.time <= champion.learned_until]
    return learned if len(learned) >= FEWEST else older
