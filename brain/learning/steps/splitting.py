"""Step split: what is trained on, what chooses among arms, and what judges the best of them.

By group: all examples of a run or workflow are in one part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..registry.logged_turn import Part
from ..subject import Content, Example
from .gathering import chance

TRAIN, VALIDATION, HELD_OUT, NEWEST = "train", "validation", "held-out", "newest"
HELD_OUT_SHARE = 0.4  # of the groups of the newest period
VALIDATION_SHARE = 0.2  # of all other groups


@dataclass(frozen=True)
class Split:
    """The part of each group. Of the newest period are those that have a new example."""

    parts: dict[str, str]

    def of(self, part: str, examples: Iterable[Example[Content]]) -> list[Example[Content]]:
        """The examples of a part; one whose group was not split is in none."""
        return [one for one in examples if self.parts.get(one.group) == part]


def split(
    examples: Sequence[Example[Content]], is_new: Callable[[Example[Content]], bool], lot: str
) -> Split:
    """Divide the groups by chance, which ``lot`` decides; another lot, other groups.

    Two fifths of the groups of the newest period are held out; of all others a fifth validates.
    """
    groups = sorted({one.group for one in examples}, key=lambda group: chance(lot, group))
    newest = {one.group for one in examples if is_new(one)}
    held = [group for group in groups if group in newest]
    held = held[: round(HELD_OUT_SHARE * len(held))]
    rest = [group for group in groups if group not in set(held)]
    validating = round(VALIDATION_SHARE * len(rest))
    parts = dict.fromkeys(held, HELD_OUT)
    parts |= dict.fromkeys(rest[:validating], VALIDATION)
    parts |= dict.fromkeys(rest[validating:], TRAIN)
    return Split(parts)


def described(name: str, examples: Sequence[Example[Content]]) -> Part:
    """A part of the data as lineage tells it: its digest is that of keys, truths and labels."""
    lines = sorted(f"{one.key}\0{one.time!r}\0{one.truth}\0{one.label}" for one in examples)
    digest = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
    times = [one.time for one in examples]
    first, last = min(times, default=None), max(times, default=None)
    return Part(name, digest, len(examples), first, last)


@dataclass(frozen=True)
class Parts:
    """What each part holds, for lineage; ``newest`` is the whole newest period."""

    train: Part
    validation: Part
    held_out: Part
    newest: Part

    def all(self) -> tuple[Part, ...]:
        """One after the other."""
        return (self.train, self.validation, self.held_out, self.newest)


def parts_of(
    found: Split,
    examples: Sequence[Example[Content]],
    is_new: Callable[[Example[Content]], bool],
) -> dict[str, list[Example[Content]]]:
    """The examples by part, :data:`NEWEST` among them. Held out are those of the newest period:
    of a group's older ones the champion may have learned.
    """
    newest = [one for one in examples if is_new(one)]
    return {
        TRAIN: found.of(TRAIN, examples),
        VALIDATION: found.of(VALIDATION, examples),
        HELD_OUT: found.of(HELD_OUT, newest),
        NEWEST: newest,
    }


def described_all(parts: Mapping[str, Sequence[Example[Content]]]) -> Parts:
    """The parts as lineage tells them."""
    return Parts(*(described(name, parts[name]) for name in (TRAIN, VALIDATION, HELD_OUT, NEWEST)))
