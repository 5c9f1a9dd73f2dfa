"""How odd a run's newest window was, as the scorer told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Anomaly:
    """Score (higher is more abnormal) and conformal p-value of a run's newest window."""

    score: float
    p: float | None  # None where the model was not calibrated on anything like it
    model: str  # version


def read_answer(answer: Mapping[str, Any], run_key: str) -> Anomaly | None:
    """The anomaly of one run in the answer, None where it has none; ValueError for junk."""
    runs = answer.get("runs")
    told = runs.get(run_key) if isinstance(runs, Mapping) else None
    if not isinstance(told, Mapping) or "score" not in told:
        return None
    score, p = _number(told["score"]), told.get("p")
    return Anomaly(score, None if p is None else _number(p), str(answer.get("model", ""))[:64])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"no number: {value!r:.40}")
    if not abs(value) <= sys.float_info.max:  # NaN is not, either
        raise ValueError(f"no finite number: {value!r:.40}")
    return float(value)
