"""The person who vets in a simulation: a script that knows the truth, and answers each morning."""

from __future__ import annotations

from dataclasses import dataclass, field

from ... import quarantine
from ...quarantined import Item, Vetting
from ...store import Store
from .feeding import WHO
from .scenario import Scenario

AILING = "ailing"  # the label of windows that ail


@dataclass(frozen=True)
class Truth:
    """What is so, whatever was told: windows that ail, and tasks whose decisions are false.

    Both by the key of their example.
    """

    ailing: set[str] = field(default_factory=set)
    false: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Answered:
    """How many items were answered how."""

    normal: int = 0
    anomaly: int = 0
    ignored: int = 0


def answer(store: Store, subject: str, scenario: Scenario, truth: Truth, now: float) -> Answered:
    """Say of all that waits what it is; of a poisoned day as a whole, that it is to be ignored."""
    with store.read() as db:
        waiting = quarantine.waiting(db, subject)
    words = [(item, *_word(item, scenario, truth)) for item in waiting]
    for item, state, label in words:
        quarantine.decide(store, subject, item.key, state, label, WHO, now)
    states = [state for _, state, _ in words]
    return Answered(
        states.count(Vetting.NORMAL), states.count(Vetting.ANOMALY), states.count(Vetting.IGNORED)
    )


def _word(item: Item, scenario: Scenario, truth: Truth) -> tuple[Vetting, str]:
    if item.is_period:
        poisoned = scenario.poisoned(scenario.day_of(item.time))
        return (Vetting.IGNORED if poisoned else Vetting.NORMAL), ""
    if item.key in truth.ailing:
        return Vetting.ANOMALY, AILING
    return (Vetting.IGNORED if item.key in truth.false else Vetting.NORMAL), ""
