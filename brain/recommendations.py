"""Recommendations as they are kept, and the only ways they move from state to state."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import TypeAdapter

from ..jobs.actions import NEXT_STATES, ActionKind, Advice, Outcome, Recommendation, State
from ..jobs.identity import Run, Workflow
from . import audit

_APPLIED_STATES = (State.APPLIED, State.VERIFIED)

_RECOMMENDATION = TypeAdapter(Recommendation)


class UnknownRecommendation(LookupError):
    """There is no recommendation of this number."""


class IllegalMove(Exception):
    """A recommendation cannot go from its state to the one that was asked for."""


def propose(
    db: sqlite3.Connection,
    workflow: Workflow,
    advice: Advice,
    facts: str,
    now: float,
    models: Mapping[str, str] = MappingProxyType({}),
) -> Recommendation:
    """Keep a new recommendation.

    ``facts`` is the digest of what it was judged by, ``models`` those of the models that judged.
    """
    new = Recommendation(_last_id(db) + 1, workflow, advice, now, models=dict(models))
    db.execute(
        "INSERT INTO recommendations VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            new.id,
            workflow.cluster,
            workflow.name,
            advice.cause,
            advice.action.kind.value,
            new.state.value,
            facts,
            now,
            now,
            _RECOMMENDATION.dump_json(new).decode(),
        ),
    )
    detail = f"{advice.cause}: {advice.action.kind.value} at {advice.probability:.2f}"
    audit.note(db, now, "brain", "proposed", new.id, detail)
    return new


def _last_id(db: sqlite3.Connection) -> int:
    """The largest id there ever was: one that is forgotten is not given again."""
    query = "SELECT seq FROM sqlite_sequence WHERE name = 'recommendations'"
    row = db.execute(query).fetchone()
    return 0 if row is None else int(row["seq"])


def move(
    db: sqlite3.Connection,
    recommendation: Recommendation,
    state: State,
    *,
    now: float,
    who: str,
    detail: str = "",
    outcome: Outcome | None = None,
) -> Recommendation:
    """Go to another state and audit it; IllegalMove if the stored state does not lead there."""
    current = get(db, recommendation.id)
    if state not in NEXT_STATES[current.state]:
        raise IllegalMove(
            f"recommendation {current.id} is {current.state.value}; it cannot become {state.value}"
        )
    moved = dataclasses.replace(current, state=state, outcome=outcome)
    _update(db, moved)
    db.execute("UPDATE recommendations SET moved = ? WHERE id = ?", (now, moved.id))
    audit.note(db, now, who, state.value, moved.id, detail)
    return moved


def correct(
    db: sqlite3.Connection, recommendation: Recommendation, outcome: Outcome, now: float
) -> None:
    """Give a verified recommendation another outcome, and audit both."""
    _update(db, dataclasses.replace(recommendation, outcome=outcome))
    before = recommendation.outcome.value if recommendation.outcome else "none"
    detail = f"verified as {before}, now {outcome.value}: accounting corrected an end"
    audit.note(db, now, "brain", audit.CORRECTED, recommendation.id, detail)


def add_follow_ups(db: sqlite3.Connection, id: int, follow_ups: tuple[Run, ...]) -> Recommendation:
    """Note runs that the action brought about."""
    current = get(db, id)
    known = dict.fromkeys((*current.follow_ups, *follow_ups))
    grown = dataclasses.replace(current, follow_ups=tuple(known))
    _update(db, grown)
    return grown


def _update(db: sqlite3.Connection, recommendation: Recommendation) -> None:
    db.execute(
        "UPDATE recommendations SET state = ?, body = ? WHERE id = ?",
        (
            recommendation.state.value,
            _RECOMMENDATION.dump_json(recommendation).decode(),
            recommendation.id,
        ),
    )


def get(db: sqlite3.Connection, id: int) -> Recommendation:
    """One recommendation; UnknownRecommendation if there is none."""
    row = db.execute("SELECT body FROM recommendations WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise UnknownRecommendation(f"there is no recommendation {id}")
    return _RECOMMENDATION.validate_json(row["body"])


def newest(
    db: sqlite3.Connection, limit: int, state: State | None = None, workflow: str | None = None
) -> list[Recommendation]:
    """The newest recommendations, of one state and of workflows of one name, or of all."""
    rows = db.execute(
        "SELECT body FROM recommendations WHERE (:state IS NULL OR state = :state)"
        " AND (:workflow IS NULL OR workflow = :workflow) ORDER BY id DESC LIMIT :limit",
        {"state": state and state.value, "workflow": workflow, "limit": limit},
    )
    return [_RECOMMENDATION.validate_json(row["body"]) for row in rows]


def in_state(db: sqlite3.Connection, state: State) -> list[Recommendation]:
    """All recommendations of one state, oldest first."""
    rows = db.execute(
        "SELECT body FROM recommendations WHERE state = ? ORDER BY id", (state.value,)
    )
    return [_RECOMMENDATION.validate_json(row["body"]) for row in rows]


def of_workflow(db: sqlite3.Connection, workflow: Workflow, state: State) -> list[Recommendation]:
    """The workflow's recommendations of one state, oldest first."""
    rows = db.execute(
        "SELECT body FROM recommendations WHERE cluster = ? AND workflow = ? AND state = ?"
        " ORDER BY id",
        (workflow.cluster, workflow.name, state.value),
    )
    return [_RECOMMENDATION.validate_json(row["body"]) for row in rows]


def last_of(db: sqlite3.Connection, workflow: Workflow) -> tuple[Recommendation, str] | None:
    """The workflow's newest recommendation and the digest of its facts."""
    row = db.execute(
        "SELECT body, facts FROM recommendations WHERE cluster = ? AND workflow = ?"
        " ORDER BY id DESC LIMIT 1",
        (workflow.cluster, workflow.name),
    ).fetchone()
    return None if row is None else (_RECOMMENDATION.validate_json(row["body"]), row["facts"])


def tried(db: sqlite3.Connection, workflow: Workflow) -> tuple[tuple[str, ActionKind], ...]:
    """(cause, action) of what was applied to the workflow before, oldest first."""
    states = [state.value for state in _APPLIED_STATES]
    rows = db.execute(
        "SELECT cause, action FROM recommendations WHERE cluster = ? AND workflow = ?"
        " AND state IN (?,?) ORDER BY id",
        (workflow.cluster, workflow.name, *states),
    )
    return tuple((row["cause"], ActionKind(row["action"])) for row in rows)


def expire(db: sqlite3.Connection, now: float, after_seconds: float) -> int:
    """Let proposals expire that nobody answered in ``after_seconds``; how many."""
    old = [
        recommendation
        for recommendation in in_state(db, State.PROPOSED)
        if now - recommendation.created >= after_seconds
    ]
    for recommendation in old:
        move(db, recommendation, State.EXPIRED, now=now, who="brain", detail="nobody answered")
    return len(old)


def moved_at(db: sqlite3.Connection, id: int) -> float:
    """When the recommendation came into its present state."""
    row = db.execute("SELECT moved FROM recommendations WHERE id = ?", (id,)).fetchone()
    return float(row["moved"])


def counts(db: sqlite3.Connection) -> dict[State, int]:
    """How many recommendations there are of each state."""
    rows = db.execute("SELECT state, count(*) AS n FROM recommendations GROUP BY state")
    found = {State(row["state"]): row["n"] for row in rows}
    return {state: found.get(state, 0) for state in State}
