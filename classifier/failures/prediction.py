"""What the failure classifier says about one task, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ABSTAIN = "abstain"


@dataclass(frozen=True)
class Weighed:
    """One cell or fact that speaks for (weight > 0) or against the action, in log-odds."""

    text: str
    weight: float


@dataclass(frozen=True)
class PastTask:
    """A task of the past that resembles this one; ``distance`` is 0 for the same shares."""

    name: str
    distance: float
    action: str


@dataclass(frozen=True)
class Answer:
    """One question about the task: the likeliest class and all of them, calibrated."""

    value: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Prediction:
    """The answer about one task. ``action`` is a class, or ``abstain``; then ``doubt`` says why.

    ``conformal_set`` holds the actions that cannot be ruled out at the level it was calibrated to;
    ``novelty_p`` is the p-value of "a task like those of the past".
    """

    task: str
    action: str
    probabilities: Mapping[str, float]
    doubt: str = ""
    conformal_set: tuple[str, ...] = ()
    novelty_p: float = 1.0
    novel: bool = False  # so unlike the past that its probabilities say nothing
    unseen_codes: int = 0  # failures under codes and at sites that training never saw
    unseen_sites: int = 0
    evidence: tuple[Weighed, ...] = ()
    past: tuple[PastTask, ...] = ()
    parameters: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def abstains(self) -> bool:
        """Is a person asked?"""
        return self.action == ABSTAIN

    def as_dict(self) -> dict[str, Any]:
        """The prediction as JSON values."""
        return {
            "action": self.action,
            "probabilities": _rounded(self.probabilities),
            "doubt": self.doubt,
            "conformal_set": list(self.conformal_set),
            "novelty_p": round(self.novelty_p, 6),
            "unseen": {"codes": self.unseen_codes, "sites": self.unseen_sites},
            "parameters": {
                name: {
                    "value": answer.value,
                    "probabilities": {
                        word: round(p, 6) for word, p in answer.probabilities.items()
                    },
                }
                for name, answer in self.parameters.items()
            },
            "evidence": {
                "for": [_weighed(one) for one in self.evidence if one.weight > 0],
                "against": [_weighed(one) for one in self.evidence if one.weight < 0],
                "past": [
                    {"task": one.name, "distance": round(one.distance, 4), "action": one.action}
                    for one in self.past
                ],
            },
        }


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {word: round(p, 6) for word, p in probabilities.items()}


def _weighed(one: Weighed) -> dict[str, object]:
    return {"text": one.text, "weight": round(one.weight, 4)}
