"""From probabilities to advice: what costs least to advise, asking a person included.

The expected cost of an action is the sum over what may be right of its probability times the cost
of the mistake (Elkan 2001, "The foundations of cost-sensitive learning"); asking has one price
whatever is right (Chow 1970, "On optimum recognition error and reject tradeoff").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....jobs.text import printable
from ..prediction import ABSTAIN

Floats = NDArray[np.float64]

ASKING = 0.35  # so that an action of cost 1 needs a probability of 0.65
WRONG = 1.0
# A useless retry costs machine time; these throw work away or end it.
HARSHER: Mapping[str, float] = MappingProxyType({"clone": 1.5, "kill": 2.0})
_NOTHING: Mapping[str, Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True)
class Costs:
    """What mistakes cost, in units of one useless retry; advising what is right costs nothing."""

    asking: float = ASKING
    wrong: float = WRONG  # of an action that is not told below
    wrong_action: Mapping[str, float] = field(default_factory=lambda: HARSHER)
    instead: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        """ValueError names the first cost that is negative or no number."""
        told = {"asking": self.asking, "wrong": self.wrong, **self.wrong_action}
        told |= {
            f"instead.{right}.{advised}": cost
            for right, row in self.instead.items()
            for advised, cost in row.items()
        }
        for name, cost in told.items():
            if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not 0 <= cost < 1e6:
                raise ValueError(f"cost {name!r} is {cost!r}; it must be a number from 0 to 10^6")

    def matrix(self, classes: Sequence[str]) -> Floats:
        """``[right, advised]``: the cost of each advice under each truth, 0 on the diagonal.

        ``instead[right][advised]`` is believed before ``wrong_action[advised]``, that before
        ``wrong``.
        """
        usual = [float(self.wrong_action.get(word, self.wrong)) for word in classes]
        costs = np.tile(usual, (len(classes), 1))
        for row, right in enumerate(classes):
            for column, advised in enumerate(classes):
                told = self.instead.get(right, {}).get(advised)
                costs[row, column] = costs[row, column] if told is None else told
        np.fill_diagonal(costs, 0.0)
        return costs

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the keys of ``[advice.costs]`` in brain.toml."""
        return {
            "asking": self.asking,
            "wrong": self.wrong,
            "wrong_action": dict(self.wrong_action),
            "instead": {right: dict(row) for right, row in self.instead.items()},
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Costs:
        """Costs as brain.toml tells them; what is not told has its default.

        ValueError names a key that does not exist or a value that is no cost.
        """
        unknown = sorted(set(document) - {"asking", "wrong", "wrong_action", "instead"})
        if unknown:
            raise ValueError(f"costs: {unknown[0]!r} is no cost; see [advice.costs] in brain.toml")
        for name in ("wrong_action", "instead"):
            rows = [document.get(name, {})]
            rows += (
                [*rows[0].values()] if name == "instead" and isinstance(rows[0], Mapping) else []
            )
            if not all(isinstance(row, Mapping) for row in rows):
                raise ValueError(f"costs: {name!r} must be a table of actions and numbers")
        return cls(**document)


@dataclass(frozen=True)
class Choice:
    """What to advise: one of the classes or :data:`ABSTAIN`, and why a person is asked."""

    action: str
    cost: float  # expected, of the action; of asking where it is asked
    cheapest: str  # the action that would be advised if asking were not possible
    reason: str = ""  # why it abstains


def choose(
    probabilities: Floats,
    classes: Sequence[str],
    costs: Costs,
    novel: NDArray[np.bool_] | None = None,
) -> list[Choice]:
    """The cheapest advice for each row of ``probabilities [tasks, classes]``.

    It abstains where every action is expected to cost more than asking, and where the task is
    ``novel``: probabilities of a model say nothing about what it never saw.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    expected = p @ costs.matrix(classes)
    best = expected.argmin(axis=1)
    strange = np.zeros(len(p), dtype=bool) if novel is None else np.asarray(novel, dtype=bool)
    return [
        _choice(float(row[at]), float(p[n, at]), classes[at], costs, novel=bool(strange[n]))
        for n, (row, at) in enumerate(zip(expected, best, strict=True))
    ]


def _choice(expected: float, p: float, word: str, costs: Costs, *, novel: bool) -> Choice:
    if novel:
        return Choice(ABSTAIN, costs.asking, word, "nothing like it was seen in training")
    if expected > costs.asking:
        why = f"{printable(word, 80)} has {p:.0%}, its expected cost is {expected:.2f}"
        return Choice(ABSTAIN, costs.asking, word, f"{why}; asking costs {costs.asking:.2f}")
    return Choice(word, expected, word)


def abstentions(choices: Sequence[Choice]) -> NDArray[np.bool_]:
    """Where a person is asked."""
    return np.array([choice.action == ABSTAIN for choice in choices], dtype=bool)
