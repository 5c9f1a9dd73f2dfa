"""Actions that an external executor carries out: left to it, reported done, taken back.

Such an action is approved with a plan of one step that no scheduler of ours is asked for. The
executor fetches it, does it, and reports it; only then the action counts as applied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..jobs.actions import ActionKind, Recommendation, State
from ..jobs.cms_words import WORDS
from ..jobs.identity import Workflow
from ..plugins.scheduler import Step
from . import audit, recommendations, steps
from .steps import PlannedStep, StepState

NAME = "executor"  # stands where a plan names the scheduler
KEPT_HERE = frozenset({ActionKind.ASK, ActionKind.WAIT})  # nothing is to be carried out

_REPORTED = (State.APPLIED, State.VERIFIED)


@dataclass
class Report:
    """What became of the workflows that an executor named."""

    success: list[str] = field(default_factory=list)
    already_reported: list[str] = field(default_factory=list)
    does_not_exist: list[str] = field(default_factory=list)


def plan(recommendation: Recommendation) -> tuple[PlannedStep, ...]:
    """The one step; LookupError where the protocol has no word for the action."""
    word = WORDS[recommendation.advice.action.kind]
    step = Step(("getaction", word), "left to the external executor")
    return (PlannedStep(1, recommendation.workflow.cluster, NAME, step),)


def is_left(plan: Sequence[PlannedStep]) -> bool:
    """Is a plan an executor's?"""
    return any(step.scheduler == NAME for step in plan)


def left(db: sqlite3.Connection, states: Iterable[State]) -> list[Recommendation]:
    """The recommendations of these states that were left to an executor, oldest first."""
    found = [one for state in states for one in recommendations.in_state(db, state)]
    mine = [one for one in found if is_left(steps.of_recommendation(db, one.id))]
    return sorted(mine, key=lambda one: one.id)


def acted_on(acted: int) -> tuple[State, ...]:
    """The states that ``acted`` of the protocol asks for: 0 to do, 1 done, below 0 both."""
    if acted < 0:
        return (State.APPROVED, *_REPORTED)
    return _REPORTED if acted else (State.APPROVED,)


def approved_by(db: sqlite3.Connection, id: int) -> str:
    """Who approved a recommendation."""
    entries = audit.of_recommendation(db, id)
    return next((entry.who for entry in entries if entry.what == State.APPROVED.value), "")


def report(db: sqlite3.Connection, workflows: Iterable[str], now: float) -> Report:
    """Note that an executor has acted on these workflows (their keys); told again changes nothing.

    One that no open action of was left to it is reported already, or does not exist.
    """
    found = Report()
    for key in dict.fromkeys(workflows):
        workflow = _workflow(key)
        if waiting := _left_of(db, workflow, (State.APPROVED,)):
            for one in waiting:
                _done(db, one, now)
            found.success.append(key)
        elif _left_of(db, workflow, _REPORTED):
            found.already_reported.append(key)
        else:
            found.does_not_exist.append(key)
    return found


def take_back(
    db: sqlite3.Connection, recommendation: Recommendation, *, now: float, who: str, why: str
) -> Recommendation:
    """Give up an approved action that no executor has reported; it is served no more."""
    steps.mark(db, recommendation.id, 1, StepState.FAILED)
    detail = f"taken back from the executor: {why}"
    return recommendations.move(db, recommendation, State.FAILED, now=now, who=who, detail=detail)


def _workflow(key: str) -> Workflow:
    cluster, _, name = key.partition("/")
    return Workflow(cluster, name)


def _left_of(
    db: sqlite3.Connection, workflow: Workflow, states: Iterable[State]
) -> list[Recommendation]:
    found = [one for state in states for one in recommendations.of_workflow(db, workflow, state)]
    return [one for one in found if is_left(steps.of_recommendation(db, one.id))]


def _done(db: sqlite3.Connection, recommendation: Recommendation, now: float) -> None:
    steps.mark(db, recommendation.id, 1, StepState.DONE)
    detail = "reported by the executor"
    recommendations.move(db, recommendation, State.APPLIED, now=now, who=NAME, detail=detail)
