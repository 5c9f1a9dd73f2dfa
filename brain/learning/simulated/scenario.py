"""What happens in a simulated history, and when: sizes, the change, the new type, the bad day."""

from __future__ import annotations

import enum
from dataclasses import dataclass

DAY_SECONDS = 86400.0
EPOCH = 1_767_225_600.0  # 2026-01-01 UTC: day 1 begins here


class Stage(enum.Enum):
    """What the workload is like."""

    EARLY = "early"
    CHANGED = "changed"  # rare types have become common, the others behave otherwise
    EXTENDED = "extended"  # and there is a type that was never seen


@dataclass(frozen=True)
class Scenario:
    """Days are numbered from 1; ``poison`` 0 means that no day is poisoned.

    ``runs`` start a day on ``nodes`` nodes, each gives ``windows`` windows; ``tasks`` fail a day
    and are decided. Of the runs a share ``ailing`` ails, and of these ``hidden`` ends well. A share
    ``daily`` of what is told is false every day: runs that ail and end well beside the hidden ones,
    and decisions that were exchanged. ValueError where days, sizes or shares make no history.
    """

    days: int = 20
    change: int = 10
    new_type: int = 15
    poison: int = 13
    nodes: int = 6
    runs: int = 130
    windows: int = 2
    tasks: int = 300
    ailing: float = 0.15
    hidden: float = 0.05
    daily: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no history."""
        sizes = {
            name: getattr(self, name) for name in ("days", "nodes", "runs", "windows", "tasks")
        }
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"simulation: {name} is {value}; it must be 1 or more")
        if not 0 <= self.daily <= self.ailing * (1 - self.hidden):
            raise ValueError(
                f"simulation: {self.daily:g} of what is told is false, but only "
                f"{self.ailing * (1 - self.hidden):g} of the runs ail and fail; give no more"
            )
        if not 1 < self.change < self.new_type:
            raise ValueError(
                f"simulation: the change on day {self.change} must come after day 1 and before "
                f"the new type of job on day {self.new_type}"
            )

    @property
    def numbers(self) -> range:
        """The numbers of the days."""
        return range(1, self.days + 1)

    def stage(self, day: int) -> Stage:
        """What the workload of a day is like."""
        if day >= self.new_type:
            return Stage.EXTENDED
        return Stage.CHANGED if day >= self.change else Stage.EARLY

    def poisoned(self, day: int) -> bool:
        """Is what is told of the day false?"""
        return day == self.poison

    @staticmethod
    def begins(day: int) -> float:
        """When a day begins, seconds since the epoch."""
        return EPOCH + (day - 1) * DAY_SECONDS

    @staticmethod
    def day_of(time: float) -> int:
        """The number of the day of a time."""
        return int((time - EPOCH) // DAY_SECONDS) + 1

    def events_of(self, day: int) -> tuple[str, ...]:
        """What happens on a day beside the usual, in words."""
        words = {self.change: "change", self.new_type: "new type", self.poison: "poison"}
        return tuple(word for at, word in sorted(words.items()) if at == day)
