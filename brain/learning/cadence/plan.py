"""``jobmend learn --plan``: how often it pays to learn anew, from the turns that were measured."""

from __future__ import annotations

import math
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...models import champions
from ...models.champions import Champion
from ...store import Store
from .. import turns
from ..turns import TurnRecord
from .staleness import LONGEST, Aged, Every, Growth, best_interval, growth, offers

WORTH = 600.0  # CPU seconds that a loss lower by 0.01 for a day is worth, unless told otherwise
_UNIT = 0.01
_ENDED = ("promoted", "shadow", "kept", "rolled-back", "quarantined")


@dataclass(frozen=True)
class Plan:
    """What is proposed for a subject.

    ``steps`` has the median seconds of each step, ``cpu_seconds`` of a whole turn; None where no
    turn told it, and then the time by the clock counts. ``every`` is the interval in seconds that
    costs least, between ``low`` and ``high`` as sure as the growth of the loss is; None where
    ``why`` says what is missing.
    """

    subject: str
    turns: int
    seconds: float
    cpu_seconds: float | None
    steps: Mapping[str, float]
    growth: Growth | None
    every: float | None
    low: float | None
    high: float | None
    offers: Sequence[Every]
    worth: float
    why: str


def plan(store: Store, subject: str, worth: float = WORTH) -> Plan:
    """Propose an interval for ``subject``.

    ``worth``: CPU seconds that a loss lower by 0.01 for a day is worth.
    """
    with store.read() as db:
        ended = [one for one in turns.history(db, subject) if one.state.value in _ENDED]
        steps = [turns.steps(db, one.id) for one in ended]
        cpu = [_cpu(db, one.id) for one in ended]
        promoted = _promoted(champions.history(db, subject))
    worked = [number for number, of in enumerate(steps) if any(_trains(name) for name in of)]
    return _proposed(
        subject,
        [steps[number] for number in worked],
        [cpu[number] for number in worked],
        [point for one in ended if (point := aged(one, promoted)) is not None],
        worth,
    )


def _proposed(
    subject: str,
    steps: Sequence[Mapping[str, float]],
    cpu: Sequence[float | None],
    points: Sequence[Aged],
    worth: float,
) -> Plan:
    """The plan out of whole turns: seconds by step and CPU of each, and losses at ages."""
    seconds = _median([sum(of.values()) for of in steps])
    told = [value for value in cpu if value is not None]
    known = _median(told) if told else None
    names = dict.fromkeys(name for of in steps for name in of)
    medians = {name: _median([of[name] for of in steps if name in of]) for name in names}
    line, why = _line(points, turned=bool(steps))
    about = Plan(
        subject, len(steps), seconds, known, medians, line, None, None, None, (), worth, why
    )
    if line is None:
        return about
    cost = known if known is not None else seconds
    a_unit = worth / _UNIT
    best = best_interval(cost, line.a_day, a_unit)
    return Plan(
        **{
            **vars(about),
            "every": best,
            "low": best_interval(cost, line.high, a_unit),
            "high": best_interval(cost, line.low, a_unit),
            "offers": offers(cost, line, a_unit),
            "why": _said(line, best),
        }
    )


def _line(points: Sequence[Aged], *, turned: bool) -> tuple[Growth | None, str]:
    if not turned:
        return None, "no turn has trained a model yet; wait for more turns"
    try:
        return growth(points), ""
    except ValueError as error:
        return None, str(error)


def _said(line: Growth, best: float) -> str:
    if line.a_day <= 0 or best >= LONGEST:
        return "the champion's loss does not grow with its age by as much as turns cost"
    sure = "" if line.low > 0 else "; that it grows at all is not sure yet"
    return f"the champion's loss grows by {line.a_day:.3g} a day{sure}"


def _promoted(history: Sequence[Champion]) -> dict[int, float]:
    """When the model of each champion was first promoted: one that was restored is no younger."""
    times = {one.number: one.promoted for one in history}
    return {one.number: times.get(one.restores, one.promoted) for one in history}


def aged(turn: TurnRecord, promoted: Mapping[int, float]) -> Aged | None:
    """The champion's loss on the turn's newest period, and its age then; None where not judged."""
    number, loss = turn.body.get("before"), _loss(turn.body)
    if not isinstance(number, int) or number not in promoted:
        return None
    if loss is None or not math.isfinite(loss):
        return None
    return Aged(turn.begun - promoted[number], loss)


def _loss(body: Mapping[str, Any]) -> float | None:
    losses = body.get("losses")
    value = losses.get("champion") if isinstance(losses, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _cpu(db: sqlite3.Connection, turn: str) -> float | None:
    """CPU seconds of all steps of a turn, where they tell them."""
    (value,) = db.execute(
        "SELECT sum(json_extract(body, '$.cpu_seconds')) FROM turn_steps WHERE turn = ?", (turn,)
    ).fetchone()
    return None if value is None else float(value)


def _trains(step: str) -> bool:
    return step.startswith("train")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
