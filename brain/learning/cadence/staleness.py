"""How often it pays to learn anew: what a turn costs against how a model's error grows with age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HOUR, DAY = 3600.0, 86400.0
SHORTEST, LONGEST = HOUR, 30 * DAY  # intervals that are proposed
LEAST_POINTS, LEAST_AGES = 5, 3
LEVEL = 0.95
OFFERED = (HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY)  # intervals of the table


@dataclass(frozen=True)
class Aged:
    """The mean loss of a champion on newest data, at an age in seconds since it was promoted."""

    age: float
    loss: float


@dataclass(frozen=True)
class Growth:
    """Loss = ``fresh`` + ``a_day`` × age in days; ``low`` and ``high`` hold ``a_day`` with 95 %."""

    fresh: float
    a_day: float
    low: float
    high: float
    points: int


@dataclass(frozen=True)
class Every:
    """What an interval between turns, in seconds, comes to a day: mean loss, CPU seconds, both.

    ``cost`` is in CPU seconds a day: those of the turns, and what the error over that of a fresh
    model is worth.
    """

    seconds: float
    loss: float
    cpu: float
    cost: float


def growth(points: Sequence[Aged]) -> Growth:
    """The line through the points, robustly (Theil 1950; Sen 1968, JASA 63).

    ValueError says what is too little to tell.
    """
    from scipy.stats import theilslopes

    known = [point for point in points if math.isfinite(point.loss) and point.age >= 0]
    ages = {round(point.age / HOUR) for point in known}
    if len(known) < LEAST_POINTS or len(ages) < LEAST_AGES:
        raise ValueError(
            f"{len(known)} turns judged a champion, at {len(ages)} different ages: at least "
            f"{LEAST_POINTS} turns at {LEAST_AGES} ages are needed; wait for more turns"
        )
    days = np.array([point.age / DAY for point in known])
    losses = np.array([point.loss for point in known])
    found = theilslopes(losses, days, LEVEL)
    return Growth(
        float(found.intercept),
        float(found.slope),
        float(found.low_slope),
        float(found.high_slope),
        len(known),
    )


def best_interval(cpu_seconds: float, a_day: float, worth: float) -> float:
    """Seconds between turns at which the cost a day is least, between an hour and thirty days.

    A turn costs ``cpu_seconds``; a loss of 1 for a day is worth ``worth`` of them. The mean excess
    over an interval of T days is ``a_day`` T / 2, so that the best is sqrt(2 c / (worth a_day)):
    the economic lot of Harris (1913, "How many parts to make at once"), with stale models for
    parts. A loss that does not grow never pays for a turn.
    """
    if a_day <= 0 or worth <= 0:
        return LONGEST
    days = math.sqrt(2 * cpu_seconds / (worth * a_day))
    return min(max(days * DAY, SHORTEST), LONGEST)


def offers(cpu_seconds: float, line: Growth, worth: float) -> tuple[Every, ...]:
    """What the usual intervals come to, shortest first."""
    found = []
    for seconds in OFFERED:
        excess = max(line.a_day, 0.0) * seconds / DAY / 2
        cpu = cpu_seconds * DAY / seconds
        found.append(Every(seconds, line.fresh + excess, cpu, cpu + worth * excess))
    return tuple(found)
