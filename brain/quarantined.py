"""The words of quarantine: items, where they stand, and what persons say of them.

A whole period can wait as one: an item with the key ``period/<turn>``. Its word holds for all
items of that turn that have none of their own.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ..jobs.text import printable

PERIOD = "period/"
MAX_LABEL = 100


class Vetting(str, enum.Enum):
    """Where an item stands: nobody has looked at it, or what a person said."""

    WAITING = "waiting"
    NORMAL = "normal"  # it may be learned from
    ANOMALY = "anomaly"  # it is an anomaly, known by its label
    IGNORED = "ignored"  # it is left out


class UnknownItem(LookupError):
    """There is no such item in quarantine."""


class NoSuchMove(Exception):
    """The item cannot be given this state, or there is nothing to undo."""


@dataclass(frozen=True)
class Item:
    """One example in quarantine, or a whole period; ``state`` and ``label`` are those that hold."""

    subject: str
    key: str
    turn: str  # that set it apart
    time: float  # of the example
    since: float  # when it came here
    kind: str
    p: float | None  # how usual it is; None where something else speaks against it
    reason: str
    state: Vetting = Vetting.WAITING
    label: str = ""
    examples: int = 1  # those that the word on it holds for
    id: str = ""  # ten characters to name it by, the same for ever; made of subject and key

    def __post_init__(self) -> None:
        """Give it its id."""
        object.__setattr__(self, "id", short_id(self.subject, self.key))

    @property
    def is_period(self) -> bool:
        """Does it stand for a whole period?"""
        return self.key == period_key(self.turn)


@dataclass(frozen=True)
class Word:
    """What was said of an item, by whom and when."""

    time: float
    who: str
    key: str
    before: Vetting
    after: Vetting
    label: str


def short_id(subject: str, key: str) -> str:
    """The name of an item that fits on a line."""
    return hashlib.sha256(f"{subject}\0{key}".encode()).hexdigest()[:10]


def period_key(turn: str) -> str:
    """The key of the item that stands for all of a turn's newest period."""
    return PERIOD + turn


@dataclass(frozen=True)
class Wanted:
    """Which items: of a subject, in a state, of a kind, of a turn; None: of any.

    Items of a period that waits as a whole are told where their turn is named, else the period
    stands for them. ``named`` is an id, its beginning (four characters) or a key.
    """

    subject: str | None = None
    state: Vetting | None = None
    kind: str | None = None
    turn: str | None = None
    named: str | None = None


def standing_words(words: Iterable[Word]) -> list[tuple[Vetting, str]]:
    """The states of an item that stand, from waiting to the present one, out of all words on it.

    A word that leads back to the state beneath the present one takes that one off.
    """
    states = [(Vetting.WAITING, "")]
    for word in words:
        told = (word.after, word.label)
        if states[-2:-1] == [told]:
            states.pop()
        else:
            states.append(told)
    return states


def label_of(state: Vetting, label: str) -> str:
    """The label of a person's word as it is kept; NoSuchMove where it does not fit the state."""
    if state is Vetting.WAITING:
        raise NoSuchMove("a person's word is normal, anomaly or ignored; to take one back, undo it")
    if state is not Vetting.ANOMALY:
        if label:
            raise NoSuchMove(f"only an anomaly has a label, {state.value} has none")
        return ""
    label = printable(label, MAX_LABEL).strip()
    if not label or label == Vetting.NORMAL.value:
        raise NoSuchMove("an anomaly needs a label, such as hang, by which it is known")
    return label
