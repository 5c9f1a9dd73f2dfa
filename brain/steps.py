"""The steps of an approved plan, with what became of each, so that none is done twice."""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from ..plugins.scheduler import Step

_STEP = TypeAdapter(Step)


class StepState(str, enum.Enum):
    """How far a step is."""

    PLANNED = "planned"
    STARTED = "started"  # and, if nothing follows: interrupted, its effect unknown
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class PlannedStep:
    """A step of a plan and the scheduler that is to carry it out."""

    number: int  # from 1
    cluster: str
    scheduler: str
    step: Step
    state: StepState = StepState.PLANNED


def keep(db: sqlite3.Connection, recommendation: int, plan: Sequence[PlannedStep]) -> None:
    """Write a plan down before anything of it is carried out."""
    db.executemany(
        "INSERT INTO steps VALUES (?,?,?,?,?,?)",
        [
            (
                recommendation,
                planned.number,
                planned.cluster,
                planned.scheduler,
                planned.state.value,
                _STEP.dump_json(planned.step).decode(),
            )
            for planned in plan
        ],
    )


def mark(db: sqlite3.Connection, recommendation: int, number: int, state: StepState) -> None:
    """Note how far a step is."""
    db.execute(
        "UPDATE steps SET state = ? WHERE recommendation = ? AND number = ?",
        (state.value, recommendation, number),
    )


def of_recommendation(db: sqlite3.Connection, recommendation: int) -> list[PlannedStep]:
    """The steps in their order; none where nothing was approved."""
    rows = db.execute(
        "SELECT * FROM steps WHERE recommendation = ? ORDER BY number", (recommendation,)
    )
    return [
        PlannedStep(
            row["number"],
            row["cluster"],
            row["scheduler"],
            _STEP.validate_json(row["body"]),
            StepState(row["state"]),
        )
        for row in rows
    ]
