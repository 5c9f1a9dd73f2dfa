"""What of the newest period is new, and whether the whole of it can be trusted. Numbers alone.

A model's p-values are valid where examples are like those it learned from: of such examples a
share of at most ``p`` has a p-value of at most ``p``. What chance explains is therefore let
through. To leave it out as well would cut the tails off each day's data, and a model that learned
from such days would call more and more of the next ones new.

All p-values of a period compare with the same n known examples, so that they err together: of
exchangeable examples the number beyond the k-th largest of n is beta-binomial (Wilks 1942,
"Statistical prediction with special reference to the problem of tolerance limits").
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, binom

from ..subject import Numbers

Truths = NDArray[np.bool_]

CHANCE: Final = 0.05  # a kind has so many odd examples by chance that often: nothing is new then
SURELY: Final = 0.001  # the same of a whole period
SUSPECT_P: Final = 0.05  # p-value of a group's truth from which on it contradicts the model
SUSPECT_SHARE: Final = 0.15  # of the groups: fewer contradictions alone do not condemn a period
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Limits:
    """``novel_p``: p-value from which on an example is odd; 0: none is. ``novel_share``: of the
    newest period, from which on all of it is set apart; 1: newness never sets a period apart.
    """

    novel_p: float = 0.01
    novel_share: float = 0.15


@dataclass(frozen=True)
class Judgement:
    """``novel`` are the places of new examples; where ``whole``, none of the period can be trusted
    and ``why`` says why. ``odd_share`` is of examples, ``suspect_share`` of groups.
    """

    novel: tuple[int, ...]
    whole: bool
    why: str
    odd_share: float
    suspect_share: float


def judge(
    novelty: Numbers,
    suspicion: Numbers,
    compared: Numbers,
    kinds: Sequence[str],
    groups: Sequence[str],
    limits: Limits,
) -> Judgement:
    """Judge the examples of a period by their p-values; NaN speaks for nothing.

    ``novelty`` is ``[examples]``, ``suspicion`` too: how likely a truth like this is, given the
    example. Truths of one group (a run, a workflow) are one truth. ``compared`` is ``[examples]``:
    with how many known ones novelty compares each. Where these are too few for a p-value of
    ``novel_p``, what is odder than all of them is odd.
    """
    odd = novelty <= _levels(compared, limits.novel_p)
    suspects = _suspects(suspicion, groups)
    why = _too_strange(odd, suspects, compared, limits)
    novel = np.flatnonzero(odd & _beyond_chance(odd, compared, kinds, limits.novel_p))
    return Judgement(tuple(novel.tolist()), bool(why), why, _share(odd), _share(suspects))


def _levels(compared: Numbers, novel_p: float) -> Numbers:
    """``[examples]``: the p-value at which each is odd."""
    least = np.where(compared > 0, 1.0 / (compared + 1.0), 0.0)
    return np.maximum(novel_p, least) if novel_p > 0 else np.zeros(len(compared))


def _too_strange(odd: Truths, suspects: Truths, compared: Numbers, limits: Limits) -> str:
    """Why nothing of the period can be learned from before a person has looked, or nothing.

    What is false is both odd and contrary, and a champion may see but a part of either: so each
    sign counts as a share of its limit, and together they may reach one.
    """
    newness = _reached(_share(odd), limits.novel_share)
    contradiction = _reached(_share(suspects), SUSPECT_SHARE)
    chance = min(_beyond(odd, compared, limits.novel_p), _chance(suspects, SUSPECT_P))
    if newness + contradiction <= 1 or chance > SURELY:
        return ""
    new = f"{_share(odd):.0%} of {len(odd)} examples are unlike all that the champion learned from"
    contrary = (
        f"what is said of {suspects.sum()} of {len(suspects)} runs or workflows contradicts what "
        "the champion is sure of"
    )
    if newness > 1:
        return f"{new}; from {limits.novel_share:.0%} on a person has to look first"
    if contradiction > 1:
        return f"{contrary}; from {SUSPECT_SHARE:.0%} on a person has to look first"
    return f"{new}, and {contrary}; of both together it is so much that a person has to look first"


def _reached(share: float, limit: float) -> float:
    """How much of a limit is reached; nothing of one that allows all."""
    if limit >= 1 or not share:
        return 0.0
    return share / limit if limit else math.inf


def _suspects(suspicion: Numbers, groups: Sequence[str]) -> Truths:
    """``[groups]``: does the truth of a group contradict the model?

    Twice the mean of p-values is one, however they depend on each other (Vovk and Wang 2020,
    "Combining p-values via averaging", after Rueschendorf 1982).
    """
    known = ~np.isnan(suspicion)
    if not known.any():
        return np.zeros(0, dtype=bool)
    _, places = np.unique(np.array(groups, dtype=object)[known], return_inverse=True)
    sizes = np.bincount(places)
    means = np.bincount(places, weights=suspicion[known]) / sizes
    return np.asarray(np.where(sizes > 1, 2 * means, means) <= SUSPECT_P)


def _beyond_chance(odd: Truths, compared: Numbers, kinds: Sequence[str], novel_p: float) -> Truths:
    """``[examples]``: has its kind more odd examples than chance explains?"""
    of_kind = defaultdict(list)
    for place, kind in enumerate(kinds):
        of_kind[kind].append(place)
    found = np.zeros(len(odd), dtype=bool)
    for places in of_kind.values():
        found[places] = _beyond(odd[places], compared[places], novel_p) <= CHANCE
    return found


def _beyond(odd: Truths, compared: Numbers, novel_p: float) -> float:
    """How likely chance makes so many odd, by the fewest known examples that one compares with."""
    if not odd.any():
        return 1.0
    fewest = float(compared.min())
    rank = math.floor(_levels(np.array([fewest]), novel_p)[0] * (fewest + 1) + _ROUNDING)
    if rank < 1:  # there is nothing to compare with
        return 1.0
    return float(betabinom.sf(odd.sum() - 1, len(odd), rank, fewest + 1 - rank))


def _chance(hits: Truths, p: float) -> float:
    """How likely chance brings so many hits, where each has a probability of ``p``."""
    return float(binom.sf(hits.sum() - 1, len(hits), p)) if hits.any() else 1.0


def _share(hits: Truths) -> float:
    return float(hits.mean()) if len(hits) else 0.0
