"""What can be learned of an operator's decision: one label scheme a question."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ...jobs.actions import ActionKind
from ...jobs.cms_words import KINDS
from .task import Decision

DEFAULT = "default"  # the parameter was left as it was
OTHER = "other"
# Only the failed parts run again.
PARTS_ONLY = frozenset(word for word, kind in KINDS.items() if kind is ActionKind.RECOVER)

MANY_TIMES: Final = 20  # splitting from here on is one class: few did it, and all to the utmost
_GIGABYTE = 1000.0  # requests are written in MB
_MEMORY_STEPS = (4.0, 8.0, 16.0)  # GB


def action(decision: Decision) -> str:
    """The action, verbatim."""
    return decision.action


def binary(decision: Decision) -> str:
    """``acdc`` (only the failed parts again) or ``other``."""
    return "acdc" if decision.action in PARTS_ONLY else OTHER


def splitting(decision: Decision) -> str:
    """``default``, ``2x``, ``3x``, ``10x``, or ``20x+`` for all that is more, ``max`` too."""
    if not decision.splitting or decision.splitting == "1x":
        return DEFAULT
    times = re.fullmatch(r"(\d+)x", decision.splitting)
    if times and int(times[1]) < MANY_TIMES:
        return decision.splitting
    return f"{MANY_TIMES}x+"


def memory(decision: Decision) -> str:
    """``default``, or the smallest step that holds the request: ``4GB`` ... ``16GB``, ``more``."""
    try:
        gigabytes = float(decision.memory) / _GIGABYTE
    except ValueError:
        return DEFAULT
    return next((f"{step:.0f}GB" for step in _MEMORY_STEPS if gigabytes <= step), "more")


def data_access(decision: Decision) -> str:
    """``default``, ``enabled`` or ``disabled``."""
    return decision.data_access or DEFAULT


Scheme = Callable[[Decision], str]
SCHEMES: Mapping[str, Scheme] = {
    "action": action,
    "binary": binary,
    "splitting": splitting,
    "memory": memory,
    "data_access": data_access,
}
