"""What a person sees of an example in quarantine; kept with it, so that it outlives its data."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest usual examples; ``distance`` is in units of the usual spread."""

    key: str
    kind: str
    time: float
    distance: float
    truth: str


@dataclass(frozen=True)
class Reading:
    """A measured number beside what is usual: the 5 %, 50 % and 95 % quantiles of older examples.

    None is "not measured".
    """

    name: str
    value: float | None
    low: float | None = None
    middle: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Evidence:
    """All that speaks for or against an example. Texts come from strangers and are not escaped.

    ``runs`` are keys of the runs that it shows, ``workflow`` that of the workflow where it is about
    one. ``curves`` are means over the job's threads, a value each ``step_seconds``, None where
    nothing was measured; ``counts`` are failures by code and site. It has one or the other.
    """

    facts: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    workflow: str = ""
    readings: list[Reading] = field(default_factory=list)  # the oddest first
    neighbours: list[Neighbour] = field(default_factory=list)  # the nearest first
    step_seconds: float = 0.0
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


_EVIDENCE = TypeAdapter(Evidence)


def dumps(evidence: Evidence) -> str:
    """As JSON."""
    return _EVIDENCE.dump_json(evidence).decode()


def loads(text: str) -> Evidence:
    """Read :func:`dumps` back."""
    return _EVIDENCE.validate_json(text)
