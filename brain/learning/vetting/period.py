"""The newest period beside what came before: its numbers, how new it is, how far it drifted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ....classifier.drift import Drift, drifts, ks_uniform, unseen
from ...quarantined import Vetting
from ..subject import Example, Measured, Model, Numbers, Subject
from .resembling import alike
from .witnessing import Background, is_usual

Content = TypeVar("Content")
Words = Mapping[str, tuple[Vetting, str]]  # state and label of what is or was in quarantine

NOVELTY: Final = "novelty"  # drifts that are no measured feature
KINDS, CODES = "unseen kinds", "unseen codes"


@runtime_checkable
class Coded(Protocol):
    """A subject whose examples hold codes; how many of them are new is watched too."""

    def codes(self, example: Example[Any]) -> Collection[str]:
        """The codes of one example."""


@dataclass(frozen=True, eq=False)
class Period(Generic[Content]):
    """The newest examples, and those before them that may be used.

    ``open`` are the newest ones on which there is no word yet; ``values``, ``novelty``,
    ``suspicion`` and ``compared`` are theirs, p-values NaN where nothing is new. ``compared`` says
    with how many known examples novelty compares each.
    """

    newest: Sequence[Example[Content]]
    numbers: Measured  # [newest, features]
    earlier: Sequence[Example[Content]]
    earlier_numbers: Measured
    background: Background
    open: Sequence[Example[Content]]
    values: Numbers  # [open, features]
    novelty: Numbers  # [open]
    suspicion: Numbers  # [open]
    compared: Numbers  # [open]


def heeded(examples: Sequence[Example[Content]], words: Words) -> list[Example[Content]]:
    """The examples that may be used: with the labels that persons gave, without what waits or is
    ignored.
    """
    kept = []
    for example in examples:
        state, label = words.get(example.key, (None, ""))
        if state is None or state is Vetting.NORMAL or state is Vetting.ANOMALY:
            kept.append(example.vetted(label) if label else example)
    return kept


def measured(
    subject: Subject[Content],
    champion: Model | None,
    newest: Sequence[Example[Content]],
    reference: Sequence[Example[Content]],
    older: Sequence[Example[Content]],
    words: Words,
    own: Collection[str],
) -> Period[Content]:
    """Measure all; ``own`` are keys that this very turn set apart before it was interrupted.

    What resembles examples of the newest or of the ``older`` ones that a person called normal is
    not new, although the champion did not learn from them yet.
    """
    earlier = heeded(reference, words)
    numbers, earlier_numbers = subject.measure(newest), subject.measure(earlier)
    background = Background.of(earlier, earlier_numbers)
    places = [n for n, it in enumerate(newest) if it.key not in words or it.key in own]
    chosen, values = [newest[n] for n in places], numbers.values[places]
    novelty, suspicion = np.full(len(chosen), np.nan), np.full(len(chosen), np.nan)
    compared = np.zeros(len(chosen))
    if champion is not None:
        compared = subject.compared(champion, chosen)
        normal = [it for it in (*newest, *older) if _is_normal(it, words)]
        accepted = [it for it in heeded(normal, words) if is_usual(it)]
        known, vouched = _familiar(subject, accepted, background, chosen, values)
        suspicion[vouched] = 1.0  # there is no doubt about it, and it counts
        strange, doubtful = np.flatnonzero(~known), np.flatnonzero(~vouched)
        if len(strange):
            novelty[strange] = subject.novelty(champion, [chosen[n] for n in strange])
        if len(doubtful):
            suspicion[doubtful] = subject.suspicion(champion, [chosen[n] for n in doubtful])
    return Period(
        newest,
        numbers,
        earlier,
        earlier_numbers,
        background,
        chosen,
        values,
        novelty,
        suspicion,
        compared,
    )


def _is_normal(example: Example[Any], words: Words) -> bool:
    return words.get(example.key, (None,))[0] is Vetting.NORMAL


def _familiar(
    subject: Subject[Content],
    accepted: Sequence[Example[Content]],
    background: Background,
    examples: Sequence[Example[Content]],
    values: Numbers,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``[examples]`` twice: does it resemble ``accepted`` ones, and some of the same truth?

    Who accepted a task of that kind did not thereby accept another decision about it.
    """
    if not accepted:
        return np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    place = background.space.place
    known, here = place(subject.measure(accepted).values), place(values)

    def resembling(name: Callable[[Example[Any]], str]) -> NDArray[np.bool_]:
        return alike(known, [name(it) for it in accepted], here, [name(it) for it in examples])

    return resembling(lambda it: it.kind), resembling(lambda it: f"{it.kind}\0{it.truth}")


def drifting(subject: Subject[Content], period: Period[Content], seed: int) -> tuple[Drift, ...]:
    """How far the newest period is from the days before: each measured feature, the p-values of
    novelty, kinds of jobs and codes that were never seen.

    Of each run or workflow one example is drawn: others of it resemble it, and would be counted as
    so many witnesses.
    """
    old, new = _one_a_group(period.earlier, seed), _one_a_group(period.newest, seed)
    found = drifts(
        period.numbers.names, period.earlier_numbers.values[old], period.numbers.values[new]
    )
    before, after = [period.earlier[n] for n in old], [period.newest[n] for n in new]
    told = [
        ks_uniform(NOVELTY, period.novelty[_one_a_group(period.open, seed)]),
        unseen(KINDS, [{it.kind} for it in before], [{it.kind} for it in after]),
    ]
    if isinstance(subject, Coded):
        codes = subject.codes
        told.append(unseen(CODES, [codes(it) for it in before], [codes(it) for it in after]))
    return (*found, *(it for it in told if not np.isnan(it.p)))


def _one_a_group(examples: Sequence[Example[Any]], seed: int) -> list[int]:
    """Places of one example of each group, drawn by chance."""
    drawn = {}
    for place in np.random.default_rng(seed).permutation(len(examples)).tolist():
        drawn[examples[place].group] = place
    return sorted(drawn.values())
