"""Synthetic records, last part: what the operator does about a cause, with noise."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.random import Generator

from ....jobs.actions import ActionKind
from ....jobs.records import WorkflowRecord
from .record_causes import draw

RECOVER, CLONE, KILL = ActionKind.RECOVER.value, ActionKind.CLONE.value, ActionKind.KILL.value
HOLD, WAIT = ActionKind.HOLD.value, ActionKind.WAIT.value

# Of this share of workflows the operator decides by habit alone, as in the published history of
# 9,522 CMS tasks: acdc (recover) 88 %, clone 10 %, special (here: hold) 2 %.
NOISE = 0.05
HABIT: Mapping[str, float] = {RECOVER: 0.88, CLONE: 0.10, HOLD: 0.02}

POLICY: Mapping[str, Mapping[str, float]] = {
    "transient": {RECOVER: 0.94, CLONE: 0.03, HOLD: 0.03},
    "transient, repeated": {HOLD: 0.60, RECOVER: 0.40},
    "bad site": {RECOVER: 0.90, WAIT: 0.07, CLONE: 0.03},
    "bad site, no other": {WAIT: 0.80, RECOVER: 0.15, HOLD: 0.05},
    "memory": {RECOVER: 0.94, CLONE: 0.03, HOLD: 0.03},
    "memory, all failed": {RECOVER: 0.78, CLONE: 0.20, HOLD: 0.02},
    "walltime": {RECOVER: 0.94, CLONE: 0.03, HOLD: 0.03},
    "walltime, all failed": {RECOVER: 0.78, CLONE: 0.20, HOLD: 0.02},
    "bug": {HOLD: 0.90, RECOVER: 0.10},
    "hang": {HOLD: 0.80, RECOVER: 0.20},
    "hang, running": {KILL: 0.94, WAIT: 0.06},
    "missing input": {HOLD: 0.88, RECOVER: 0.08, WAIT: 0.04},
    "node failure": {RECOVER: 0.97, CLONE: 0.03},
    "launch failure": {RECOVER: 0.88, HOLD: 0.12},
    "cpu contention": {WAIT: 0.94, KILL: 0.06},
    "io contention": {WAIT: 0.94, KILL: 0.06},
}


def operator_action(
    rng: Generator,
    cause: str,
    record: WorkflowRecord,
    policy: Mapping[str, Mapping[str, float]] = POLICY,
) -> ActionKind:
    """What the operator does about ``record``, knowing its cause."""
    noisy = rng.random() < NOISE and bool(record.failed)
    return ActionKind(draw(rng, HABIT if noisy else policy[_row(cause, record)]))


def _row(cause: str, record: WorkflowRecord) -> str:
    succeeded = any(run.succeeded for run in record.runs)
    attempts = max(run.facts.attempt for run in record.runs)
    if cause == "transient" and attempts >= 2:
        return "transient, repeated"
    if cause == "bad site" and not succeeded:
        return "bad site, no other"
    if cause in ("memory", "walltime") and not succeeded and len(record.runs) > 3:
        return f"{cause}, all failed"
    if cause == "hang" and any(run.warnings for run in record.running):
        return "hang, running"
    return cause
