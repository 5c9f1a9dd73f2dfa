"""NaN is what cannot be said; SQL and JSON have no word for it, so there it is NULL and null."""

from __future__ import annotations

import math


def or_none(value: float) -> float | None:
    """``value``, or None for NaN."""
    return None if math.isnan(value) else value


def or_nan(value: float | None) -> float:
    """``value``, or NaN for None."""
    return math.nan if value is None else value
