"""Vetting, a step of the turn: what of the newest period is left out until a person has looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ....classifier.drift import Drift
from ... import drifts, quarantine
from ...config import LearningConfig
from ...quarantined import Vetting
from ...store import Store
from ..subject import Example, Model, Subject
from .judging import Limits, judge
from .period import drifting, heeded, measured
from .setting_apart import set_apart

Content = TypeVar("Content")


@dataclass(frozen=True)
class Vetted(Generic[Content]):
    """What may be learned from, with persons' words applied.

    ``kept`` is of the newest period, ``reference`` of the days before. Where ``whole``, nothing of
    the newest period is kept. ``quarantined`` counts what this turn set apart, ``waiting`` all
    examples of the subject that nobody has looked at, ``why`` says what was set apart, in a
    sentence, and is empty where nothing was. The shares are those of the judgement; None where
    there was no champion to judge by, or nothing to judge.
    """

    kept: list[Example[Content]]
    reference: list[Example[Content]]
    quarantined: int
    waiting: int
    whole: bool
    why: str
    drifts: tuple[Drift, ...]
    odd_share: float | None
    suspect_share: float | None


def vet(
    subject: Subject[Content],
    champion: Model | None,
    newest: Sequence[Example[Content]],
    reference: Sequence[Example[Content]],
    store: Store,
    turn: str,
    config: LearningConfig,
    now: float,
    older: Sequence[Example[Content]] = (),
) -> Vetted[Content]:
    """Set apart what is new, and the whole period where too much of it is; write down drift.

    ``reference`` is what the champion learned from, as far as it is still there; ``older`` all
    that came before the newest, among which are examples that a person called normal since; none
    where it is the same. Told twice for one turn, it finds and writes the same. The turn must be
    in the table of turns.
    """
    with store.read() as db:
        words = quarantine.decisions(db, subject.name)
        own = quarantine.keys_of_turn(db, subject.name, turn)
    older = older or reference
    period = measured(subject, champion, newest, reference, older, words, own)
    found = drifting(subject, period, config.seed)
    kinds, groups = [it.kind for it in period.open], [it.group for it in period.open]
    limits = Limits(config.novel_p, config.novel_share)
    judgement = judge(period.novelty, period.suspicion, period.compared, kinds, groups, limits)
    judged = champion is not None and bool(period.open)
    apart = set_apart(subject, period, judgement, turn, now)
    with store.write() as db:
        drifts.keep(db, turn, found)
        for item, shown in apart:
            quarantine.add(db, item, shown)
        words = quarantine.decisions(db, subject.name)
    return Vetted(
        kept=[] if judgement.whole else heeded(newest, words),
        reference=heeded(reference, words),
        quarantined=len(apart) - judgement.whole,
        waiting=sum(state is Vetting.WAITING for state, _ in words.values()),
        whole=judgement.whole,
        why=judgement.why or _in_words(len(apart), len(period.open)),
        drifts=found,
        odd_share=judgement.odd_share if judged else None,
        suspect_share=judgement.suspect_share if judged else None,
    )


def _in_words(apart: int, of: int) -> str:
    if not apart:
        return ""
    return f"{apart} of {of} examples are unlike all that the champion learned from and wait"
