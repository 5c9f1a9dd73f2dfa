"""Synthetic records: what the workload is made of, and how that changes over time.

:data:`USUAL` is what :mod:`.records` draws where nothing else is asked for. The others are for
simulations of a cluster that changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .record_causes import ALIKE, CAUSE_SHARES, FAILING, SYMPTOMS
from .record_policy import CLONE, HOLD, POLICY, RECOVER, WAIT

Weights = Mapping[str, float]

LICENCE = "licence lost"  # a cause that the usual mix does not have


@dataclass(frozen=True)
class Mix:
    """How often causes come, how they show, how many runs they fail, what is done about them.

    ``shares`` are weights and need not sum to 1; ``failing`` are beta distributions. The other
    tables may have more causes than come.
    """

    shares: Weights = field(default_factory=lambda: CAUSE_SHARES)
    symptoms: Mapping[str, Weights] = field(default_factory=lambda: SYMPTOMS)
    failing: Mapping[str, tuple[float, float]] = field(default_factory=lambda: FAILING)
    policy: Mapping[str, Weights] = field(default_factory=lambda: POLICY)
    alike: frozenset[str] = ALIKE  # causes that end all runs of a workflow in one way


USUAL = Mix()

# Operators are of two minds about what fails everywhere, hangs, or failed before.
UNDECIDED = Mix(
    shares={**CAUSE_SHARES, "transient": 0.24, "hang": 0.08, "memory": 0.18},
    failing={**FAILING, "memory": (12.0, 0.8), "walltime": (12.0, 0.8), "hang": (4.0, 2.0)},
    policy={
        **POLICY,
        "memory, all failed": {RECOVER: 0.7, CLONE: 0.3},
        "walltime, all failed": {RECOVER: 0.7, CLONE: 0.3},
        "bad site, no other": {WAIT: 0.7, RECOVER: 0.3},
        "transient, repeated": {HOLD: 0.7, RECOVER: 0.3},
        "hang": {HOLD: 0.7, RECOVER: 0.3},
    },
)

# Then jobs need more memory and hang more often, and operators agree, in doubt on the rarer
# answer of before.
CHANGED = Mix(
    shares={
        **CAUSE_SHARES,
        "transient": 0.12,
        "bad site": 0.20,
        "memory": 0.34,
        "walltime": 0.13,
        "bug": 0.06,
        "hang": 0.12,
        "missing input": 0.03,
    },
    failing=UNDECIDED.failing,
    policy={
        **POLICY,
        "memory, all failed": {CLONE: 0.97, RECOVER: 0.03},
        "walltime, all failed": {CLONE: 0.97, RECOVER: 0.03},
        "bad site": {RECOVER: 0.97, WAIT: 0.03},
        "bad site, no other": {RECOVER: 0.97, WAIT: 0.03},
        "transient": {RECOVER: 0.97, HOLD: 0.03},
        "transient, repeated": {RECOVER: 0.97, HOLD: 0.03},
        "bug": {HOLD: 0.97, RECOVER: 0.03},
        "hang": {RECOVER: 0.95, HOLD: 0.05},
    },
)

# The same, and a new type of job that needs a licence server.
EXTENDED = Mix(
    shares={**CHANGED.shares, LICENCE: 0.08},
    symptoms={**CHANGED.symptoms, LICENCE: {"exit:87": 0.9, "exit:1": 0.1}},
    failing={**CHANGED.failing, LICENCE: (6.0, 1.0)},
    policy={**CHANGED.policy, LICENCE: {WAIT: 0.93, HOLD: 0.07}},
    alike=CHANGED.alike | {LICENCE},
)
