"""Which variables of a dashboard an expression names."""

from __future__ import annotations

import re

SPANS = {"rate", "range"}  # what every expression may name besides


def names_in(expr: str) -> set[str]:
    """The variables that an expression uses, spans apart."""
    return set(re.findall(r"\$([a-z_]+)", expr)) - SPANS
