"""What came of a simulation: errors day by day, changes of champion, and whether it recovered."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .scenario import Scenario

LEFT = 0.25  # of what the change cost the model that stays: less is recovered from


@dataclass(frozen=True)
class Day:
    """A subject on a day.

    ``champion`` and ``arm`` were in use that day, 0 and empty where none was; ``state`` is how its
    turn ended in the evening, ``why`` the sentence. Errors are of that day: ``learning`` of the
    champion in use, ``frozen`` of the one that stays where nobody learns; None without a model.
    ``state`` is empty before the first turn.
    """

    subject: str
    day: int
    champion: int
    arm: str
    learning: float | None
    frozen: float | None
    state: str
    why: str
    answered: int  # items of quarantine that the simulated operator spoke on in the morning
    seconds: float  # that the turn took


@dataclass(frozen=True)
class Change:
    """A change of champion in the evening of ``day``; numbers are None where it was the first.

    ``gain`` is in the losses that the turn compared, between ``low`` and ``high`` with 90 %.
    """

    subject: str
    day: int
    number: int
    before: str
    after: str
    gain: float | None
    low: float | None
    high: float | None
    p: float | None
    why: str


@dataclass(frozen=True)
class Recovery:
    """Mean errors: ``before`` the change, and of the model that stays, ``frozen``, from it on to
    the new type of job; ``after`` is that of the champion in use once it is back. ``turns`` is how
    many turns had to see the change until it was, None: not by then. ``frozen_recovers`` is whether
    the model that stays came back too.
    """

    before: float
    frozen: float
    after: float | None
    turns: int | None
    frozen_recovers: bool


@dataclass(frozen=True)
class Simulated:
    """A whole simulation. Its data are synthetic."""

    scenario: Scenario
    first_turn: int  # day; its champion is the one that stays
    days: tuple[Day, ...]
    changes: tuple[Change, ...]

    def of(self, subject: str) -> list[Day]:
        """The days of a subject."""
        return [one for one in self.days if one.subject == subject]

    @property
    def subjects(self) -> list[str]:
        """Those that were learned."""
        return list(dict.fromkeys(one.subject for one in self.days))


def recovery(found: Simulated, subject: str) -> Recovery | None:
    """How the error of a subject came back after the change; None where too few days tell.

    It is back on the first day on which, and from which on until the new type of job on average,
    at most a quarter is left of what the change costs the model that stays.
    """
    scenario = found.scenario
    days = found.of(subject)
    before = _known(
        found.first_turn + 1, scenario.change, [(one.day, one.learning) for one in days]
    )
    since, until = scenario.change, scenario.new_type
    learning = _known(since, until, [(one.day, one.learning) for one in days])
    frozen = _known(since, until, [(one.day, one.frozen) for one in days])
    if not before or not learning or not frozen:
        return None
    usual, stays = (statistics.fmean(of.values()) for of in (before, frozen))
    wanted = usual + LEFT * max(stays - usual, 0.0)
    back = _back(learning, wanted)
    after = [error for day, error in learning.items() if back is not None and day >= back]
    return Recovery(
        usual,
        stays,
        statistics.fmean(after) if after else None,
        None if back is None else back - scenario.change,
        _back(frozen, wanted) is not None,
    )


def _known(since: int, until: int, errors: Sequence[tuple[int, float | None]]) -> dict[int, float]:
    """Errors by day, of days in ``[since, until)`` with a model."""
    return {day: error for day, error in errors if error is not None and since <= day < until}


def _back(errors: Mapping[int, float], wanted: float) -> int | None:
    """The first day that is as good as wanted, itself and with all after it on average."""
    days = list(errors)
    for place, day in enumerate(days):
        rest = [errors[later] for later in days[place:]]
        if errors[day] <= wanted and statistics.fmean(rest) <= wanted:
            return day
    return None


def poisoned_day(found: Simulated) -> dict[str, str]:
    """How the turn of the poisoned day ended, by subject; empty where no day was poisoned."""
    return {one.subject: one.state for one in found.days if found.scenario.poisoned(one.day)}
