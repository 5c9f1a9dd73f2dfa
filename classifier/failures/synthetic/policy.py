"""Synthetic history, last part: what the operator does, given the cause and what can be seen.

The operator knows the cause, sees whether a site with failures is bad and whether the failures
are many, and in some cases follows habit alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..labels import SCHEMES
from ..task import Decision
from .causes import CAUSES
from .draws import Observed

Floats = NDArray[np.float64]
Row = tuple[float, float, float]

ACTIONS: Final = ("acdc", "clone", "special")
MANY: Final = 150  # failures
# In this share of cases the operator follows habit, with the shares published for 9,522 CMS tasks.
NOISE: Final = 0.05
HABIT: Row = (0.88, 0.10, 0.02)

# Shares of ACTIONS by cause. "bad site", where one failed, comes before "many", then "".
POLICY: Mapping[str, Mapping[str, Row]] = {
    "site outage": {"": (0.96, 0.03, 0.01), "bad site": (0.99, 0.01, 0.0)},
    "missing input": {"": (0.97, 0.02, 0.01), "many": (0.40, 0.04, 0.56)},
    "memory": {"": (0.99, 0.01, 0.0), "many": (0.97, 0.03, 0.0)},
    "walltime": {"": (0.98, 0.02, 0.0)},
    "code bug": {"": (0.06, 0.92, 0.02)},
    "transient network": {"": (1.0, 0.0, 0.0)},
    "condor_rm": {"": (0.92, 0.08, 0.0)},
    "corrupted file": {"": (0.98, 0.01, 0.01)},
    "bad node": {"": (0.99, 0.01, 0.0)},
    "stage-out": {"": (0.99, 0.01, 0.0)},
    "environment": {"": (0.97, 0.03, 0.0)},
    "not reported": {"": (0.99, 0.01, 0.0)},
}

# How often a parameter gets each value, where the cause asks for it; else it stays as it was.
# Only acdc takes a data access, and special none of them.
Parameter = Mapping[str, Mapping[str, float]]
PARAMETERS: Mapping[str, Parameter] = {
    "splitting": {
        "walltime": {"2x": 0.05, "3x": 0.02, "10x": 0.05, "20x": 0.02, "max": 0.01},
        "memory": {"2x": 0.01, "10x": 0.005},
    },
    "memory": {
        "memory": {"4000": 0.24, "8000": 0.15, "16000": 0.06, "20000": 0.03},
        "bad node": {"4000": 0.04},
        "code bug": {"8000": 0.04},
    },
    "data_access": {
        "site outage": {"enabled": 0.72, "disabled": 0.0003},
        "missing input": {"enabled": 0.75},
        "transient network": {"enabled": 0.55, "disabled": 0.0003},
        "corrupted file": {"enabled": 0.60},
        "stage-out": {"enabled": 0.12},
        "environment": {"enabled": 0.12},
        "not reported": {"enabled": 0.10},
        "memory": {"enabled": 0.05},
        "walltime": {"enabled": 0.08},
    },
}
TAKES: Mapping[str, Row] = {  # whether acdc, clone, special take the parameter
    "splitting": (1.0, 1.0, 0.0),
    "memory": (1.0, 1.0, 0.0),
    "data_access": (1.0, 0.0, 0.0),
}


def situations(seen: Observed) -> NDArray[np.int64]:
    """What the operator sees: 0, +1 where a failing site is bad, +2 where failures are many."""
    bad = (seen.bad & (seen.sites > 0)).any(axis=1)
    return np.asarray(bad + 2 * (seen.sites.sum(axis=1) >= MANY))


def action_table() -> Floats:
    """P(action | cause, situation), habit included: ``[causes, 4, actions]``."""
    table = np.array([[_row(POLICY[cause], *divmod(s, 2)) for s in range(4)] for cause in CAUSES])
    return np.asarray((1 - NOISE) * table + NOISE * np.array(HABIT))


def _row(rows: Mapping[str, Row], many: int, bad: int) -> Row:
    if bad and "bad site" in rows:
        return rows["bad site"]
    return rows["many"] if many and "many" in rows else rows[""]


def values(parameter: str) -> tuple[str, ...]:
    """What ``parameter`` may be set to; first, empty: as it was."""
    words = {value for row in PARAMETERS[parameter].values() for value in row}
    return ("", *sorted(words))


def value_table(parameter: str) -> Floats:
    """P(value | cause, action): ``[causes, actions, values]``."""
    words = values(parameter)
    table = np.zeros((len(CAUSES), len(ACTIONS), len(words)))
    for number, cause in enumerate(CAUSES):
        row = PARAMETERS[parameter].get(cause, {})
        shares = np.array([row.get(word, 0.0) for word in words])
        table[number] = np.outer(TAKES[parameter], shares)
    table[..., 0] = 1 - table.sum(axis=2)
    return table


def classes_of(parameter: str) -> tuple[str, ...]:
    """The class each of :func:`values` belongs to, in the words of :mod:`..labels`."""
    scheme = SCHEMES[parameter]  # reads one field, so that all may hold the value
    return tuple(
        scheme(Decision(ACTIONS[0], splitting=value, memory=value, data_access=value))
        for value in values(parameter)
    )
