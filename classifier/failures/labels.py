"""A workflow with what an operator did about it: what the failure model learns from."""

from __future__ import annotations

from dataclasses import dataclass

from ...jobs.actions import ActionKind
from ...jobs.records import WorkflowRecord


@dataclass(frozen=True)
class LabelledWorkflow:
    """A record as it stood when the operator decided, the action taken, and the cause if known."""

    record: WorkflowRecord
    action: ActionKind
    cause: str
