"""Items of quarantine, with their evidence, out of what was judged to be new."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

from ...evidence import Evidence
from ...quarantined import Item, period_key
from ..subject import Example, Subject
from .judging import SUSPECT_P, Judgement
from .period import Period
from .witnessing import evidence, in_words

LOOKED_AT: Final = 200  # examples a turn that get curves and neighbours: the oddest
KINDS_TOLD: Final = 10

Apart = list[tuple[Item, Evidence]]


def set_apart(
    subject: Subject[Any], period: Period[Any], judgement: Judgement, turn: str, now: float
) -> Apart:
    """What goes into quarantine: the new examples, or the period as a whole and all its examples
    on which there is no word yet.
    """
    places = np.arange(len(period.open)) if judgement.whole else np.array(judgement.novel, int)
    p_values = np.stack([period.novelty, period.suspicion])[:, places]
    places = places[np.argsort(np.nan_to_num(p_values, nan=1.0).min(axis=0), kind="stable")]
    looked_at, others = places[:LOOKED_AT], places[LOOKED_AT:]
    shown = evidence(
        subject,
        [period.open[n] for n in looked_at],
        period.values[looked_at],
        period.background,
    )
    shown += [Evidence(dict(subject.describe(period.open[n]))) for n in others]
    other = "it waits with its period" if judgement.whole else "no single number is far out"
    apart = []
    for place, told in zip(places.tolist(), shown, strict=True):
        it: Example[Any] = period.open[place]
        p = None if np.isnan(period.novelty[place]) else float(period.novelty[place])
        why = _reason(period, place, told) or other
        apart.append((Item(subject.name, it.key, turn, it.time, now, it.kind, p, why), told))
    return [*_whole(subject.name, period, judgement, turn, now), *apart]


def _reason(period: Period[Any], place: int, told: Evidence) -> str:
    """Why a person should look, in a sentence; nothing where only its p-value says so."""
    it, suspicion = period.open[place], period.suspicion[place]
    words = []
    if suspicion <= SUSPECT_P:
        words.append(f"it is said to be {it.truth}, which the champion doubts (p {suspicion:.2g})")
    if it.kind and it.kind not in period.background.kinds:
        words.append("no older example is of its kind")
    if number := in_words(told.readings, period.background.space):
        words.append(number)
    return "; ".join(words)


def _whole(subject: str, period: Period[Any], judgement: Judgement, turn: str, now: float) -> Apart:
    """The item that stands for the whole period, if it is set apart."""
    if not judgement.whole:
        return []
    times = [it.time for it in period.open]
    kinds = Counter(it.kind for it in period.open).most_common(KINDS_TOLD)
    facts = {
        "examples": str(len(times)),
        "unlike what was learned from": f"{judgement.odd_share:.1%}",
        "doubted": f"{judgement.suspect_share:.1%} of runs or workflows",
        "kinds": ", ".join(f"{kind} ({n})" for kind, n in kinds),
    }
    item = Item(subject, period_key(turn), turn, min(times), now, "", None, judgement.why)
    return [(item, Evidence(facts))]
