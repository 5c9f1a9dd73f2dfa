"""What can be done about a workflow, and the life of a recommendation to do it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from .identity import Run, Workflow


class ActionKind(str, enum.Enum):
    """The operators' vocabulary."""

    RECOVER = "recover"  # only the failed parts again; CMS calls it ACDC
    CLONE = "clone"  # the whole workflow anew
    RESUBMIT = "resubmit"  # single runs again, perhaps changed
    KILL = "kill"
    HOLD = "hold"
    RELEASE = "release"
    BYPASS = "bypass"  # take the results as they are
    FORCE_COMPLETE = "force-complete"
    WAIT = "wait"  # an explicit answer: look again later
    ASK = "ask"  # neither rules nor model are sure: a person decides

    @property
    def repeats(self) -> bool:
        """Does it run work again?"""
        return self in (ActionKind.RECOVER, ActionKind.CLONE, ActionKind.RESUBMIT)

    @property
    def stops(self) -> bool:
        """Does it end or suspend what is active? Done at once where nothing is."""
        return self in (ActionKind.KILL, ActionKind.HOLD)


@dataclass(frozen=True)
class Action:
    """One kind of action with its parameters; None or empty leaves a thing as it was."""

    kind: ActionKind
    memory_bytes: int | None = None
    walltime_seconds: float | None = None
    splitting: int | None = None  # jobs per job of before: 2 = half as much work each
    data_access: str = ""  # such as "xrootd"
    sites_use: tuple[str, ...] = ()
    sites_avoid: tuple[str, ...] = ()
    nodes_avoid: tuple[str, ...] = ()

    def parameters(self) -> dict[str, object]:
        """The parameters that are set, by name."""
        named: dict[str, object] = {
            "memory_bytes": self.memory_bytes,
            "walltime_seconds": self.walltime_seconds,
            "splitting": self.splitting,
            "data_access": self.data_access,
            "sites_use": list(self.sites_use),
            "sites_avoid": list(self.sites_avoid),
            "nodes_avoid": list(self.nodes_avoid),
        }
        return {name: value for name, value in named.items() if value}


class State(str, enum.Enum):
    """Where a recommendation stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPLIED = "applied"
    FAILED = "failed"  # the scheduler refused; why stands in the audit
    VERIFIED = "verified"  # the outcome is known


NEXT_STATES: Mapping[State, frozenset[State]] = {
    State.PROPOSED: frozenset({State.APPROVED, State.REJECTED, State.EXPIRED}),
    State.APPROVED: frozenset({State.APPLIED, State.FAILED}),
    State.APPLIED: frozenset({State.VERIFIED}),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.FAILED: frozenset(),
    State.VERIFIED: frozenset(),
}


class Outcome(str, enum.Enum):
    """What came of an applied action."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True)
class Evidence:
    """One reason a person can check: a rule, a matrix cell, a trace, the model, a node."""

    kind: str
    text: str


@dataclass(frozen=True)
class Advice:
    """What the classifier says about a workflow; the brain makes a recommendation of it.

    ``probabilities`` sums to 1 over the action kinds it names; ``cause`` is one of the words in
    :mod:`jobmend.classifier.advice`.
    """

    cause: str
    action: Action
    runs: tuple[Run, ...]
    probabilities: Mapping[ActionKind, float]
    evidence: tuple[Evidence, ...]

    @property
    def probability(self) -> float:
        """The probability of the action advised."""
        return self.probabilities.get(self.action.kind, 0.0)


@dataclass(frozen=True)
class Recommendation:
    """An advice about a workflow, numbered, dated and on its way through the states.

    ``models`` has the digest of each model that judged, by its name; empty: rules alone, or
    recommended before models were remembered.
    """

    id: int
    workflow: Workflow
    advice: Advice
    created: float
    state: State = State.PROPOSED
    outcome: Outcome | None = None
    follow_ups: tuple[Run, ...] = field(default=())  # runs the action brought about
    models: Mapping[str, str] = field(default_factory=dict)
