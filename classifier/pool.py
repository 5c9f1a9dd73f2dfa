"""Joining opinions over actions into one distribution: a logarithmic opinion pool.

``p(a)`` is proportional to the product of ``p_i(a) ** w_i`` over the opinions that speak, their
weights scaled to sum to 1. One opinion that is nearly sure against an action pulls it down, which
an average would not do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..jobs.actions import ActionKind

# What advice can say. The other kinds of ActionKind are asked for by people alone.
KINDS = (
    ActionKind.RECOVER,
    ActionKind.CLONE,
    ActionKind.KILL,
    ActionKind.HOLD,
    ActionKind.WAIT,
    ActionKind.ASK,
)
FLOOR = 0.01  # no opinion rules an action out: it may not know it

Opinion = Mapping[ActionKind, float]


def normalise(weights: Mapping[ActionKind, float]) -> dict[ActionKind, float]:
    """``weights`` over :data:`KINDS` scaled to sum to 1."""
    total = sum(weights[kind] for kind in KINDS)
    return {kind: weights[kind] / total for kind in KINDS}


def floored(opinion: Opinion) -> dict[ActionKind, float]:
    """``opinion`` over all :data:`KINDS`, none below :data:`FLOOR` before scaling."""
    return normalise({kind: max(FLOOR, opinion.get(kind, 0.0)) for kind in KINDS})


def leaning(kind: ActionKind, confidence: float) -> dict[ActionKind, float]:
    """The opinion that ``kind`` is right with ``confidence``; the rest is spread evenly."""
    rest = (1.0 - confidence) / (len(KINDS) - 1)
    return {other: confidence if other is kind else rest for other in KINDS}


def pool(opinions: Sequence[tuple[float, Opinion]]) -> dict[ActionKind, float]:
    """The pooled distribution of ``(weight, opinion)`` pairs; uniform where nobody speaks."""
    total = sum(weight for weight, _ in opinions) or 1.0
    spoken = [(weight / total, floored(opinion)) for weight, opinion in opinions]
    return normalise(
        {
            kind: math.exp(sum(weight * math.log(opinion[kind]) for weight, opinion in spoken))
            for kind in KINDS
        }
    )


def scaled(opinion: Opinion, kind: ActionKind, factor: float) -> dict[ActionKind, float]:
    """``opinion`` with the odds of ``kind`` multiplied by ``factor``."""
    return normalise({k: p * (factor if k is kind else 1.0) for k, p in opinion.items()})


def doubted(opinion: Opinion) -> dict[ActionKind, float]:
    """``opinion`` with its doubt given to ASK: one minus its largest share, and at least a half."""
    largest = max(p for kind, p in opinion.items() if kind is not ActionKind.ASK)
    doubt = max(0.5, 1.0 - largest)
    kept = {kind: (1.0 - doubt) * p for kind, p in opinion.items()}
    return {**kept, ActionKind.ASK: kept[ActionKind.ASK] + doubt}


def likeliest(opinion: Opinion) -> ActionKind:
    """The kind with the largest share; of equals the first of :data:`KINDS`."""
    return max(KINDS, key=lambda kind: opinion[kind])


def surprise(p_value: float) -> float:
    """The factor on "nothing odd happened" that a p-value allows: ``-e p ln p``, at least 0.2.

    The bound of Sellke, Bayarri and Berger (2001) on the Bayes factor; 1 from p = 1/e on.
    """
    if p_value >= 1.0 / math.e:
        return 1.0
    p_value = max(p_value, 1e-12)
    return max(0.2, -math.e * p_value * math.log(p_value))
