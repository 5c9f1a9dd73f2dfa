"""What is told to the registry of one turn: data, arms, figures, and why it ended as it did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Part:
    """One part of the data, such as ``train`` or ``held-out``; times in epoch seconds."""

    name: str
    digest: str  # SHA-256 (hex) of its examples
    examples: int
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True)
class LoggedArm:
    """One arm that competed; ``note`` says why where it could not learn."""

    arm: str
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class LoggedTurn:
    """One turn. Metrics that are not finite are left out; ``files`` that are gone are, too.

    ``files`` are such as the journal; ``code`` is of :mod:`.made_by`, ``environment`` of
    :mod:`~jobmend.classifier.environment`.
    """

    subject: str
    turn: str
    begun: float
    ended: float
    state: str
    why: str
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    arms: tuple[LoggedArm, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def to_json(self) -> bytes:
        """All of it as JSON, which has no NaN: metrics that are not finite are left out."""
        arms = tuple(replace(arm, metrics=finite(arm.metrics)) for arm in self.arms)
        told = replace(self, metrics=finite(self.metrics), arms=arms)
        return _TURN.dump_json(told, indent=1)

    @staticmethod
    def from_json(data: bytes) -> LoggedTurn:
        """Read it back; ValueError where it is none."""
        return _TURN.validate_json(data)


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those that are a number."""
    return {name: float(told) for name, told in metrics.items() if math.isfinite(told)}


_TURN = TypeAdapter(LoggedTurn)
