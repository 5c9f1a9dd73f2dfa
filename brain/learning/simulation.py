"""``jobmend learn --simulate-days``: the real loop, day by day, on a synthetic changing cluster.

Windows and decisions go into a real store and archive by the functions that take what nodes tell;
each evening a real turn runs, by a clock that is set; each morning a scripted operator, who knows
the truth, answers what waits in quarantine. Beside it stands the champion of the first days, as
where nobody learns.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from ..config import BrainConfig, LearningConfig, StoreConfig
from ..models import champions
from ..models.shelf import FAILURES, TRACES
from ..sources.archive import Archive
from ..store import Store
from .failures.subject import Failures
from .loop import Loop, Turned
from .simulated.cluster import traced_day
from .simulated.examination import Examination
from .simulated.failing import failing_day
from .simulated.feeding import feed_failures, feed_traces
from .simulated.operator import Truth, answer
from .simulated.outcome import Change, Day, Simulated
from .simulated.scenario import Scenario
from .subject import Model, Subject, Tell
from .traces.subject import Traces

SUBJECTS = (TRACES, FAILURES)
FIRST_TURN = 3  # day of it; where nobody learns, the champion of that evening stays
_MORNING = 8 * 3600.0
_DAYS = 4.0  # that a turn reads: the cluster is small, and changes within days
_REPLAY = 200
_ARMS_TRACES = ("autoencoder", "pca")
_ARMS_FAILURES = ("majority", "xgboost")


@dataclass(frozen=True)
class Played:
    """How a simulation is played: arms that compete, and the day of the first turn."""

    arms_traces: tuple[str, ...] = _ARMS_TRACES
    arms_failures: tuple[str, ...] = _ARMS_FAILURES
    subjects: tuple[str, ...] = SUBJECTS
    first_turn: int = FIRST_TURN
    shadow_turns: int = 1


def config_of(scenario: Scenario, folder: Path, played: Played) -> BrainConfig:
    """The brain's configuration: all files in ``folder``."""
    return BrainConfig(
        store=StoreConfig(
            path=folder / "brain.db", models=folder / "models", archive=folder / "archive"
        ),
        learning=LearningConfig(
            days=_DAYS,
            replay=_REPLAY,
            arms_traces=played.arms_traces,
            arms_failures=played.arms_failures,
            shadow_turns=played.shadow_turns,
            seed=scenario.seed,
        ),
    )


def run(scenario: Scenario, folder: Path, tell: Tell, played: Played = Played()) -> Simulated:
    """Play all days in ``folder``, which must be empty or not there; ValueError where it is not."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is not empty; name a new folder for the simulation")
    with closing(_Cluster(scenario, folder, played)) as cluster:
        for day in scenario.numbers:
            tell(f"day {day}", day - 1, scenario.days)
            cluster.play(day)
        tell("done", scenario.days, scenario.days)
        return cluster.outcome()


@dataclass
class _Learner:
    """One subject as it goes through the days."""

    subject: Subject[Any]
    in_use: Model | None = None
    digest: str = ""
    frozen: Model | None = None
    days: list[Day] = field(default_factory=list)


class _Cluster:
    """The brain of a simulated cluster and what is known of it."""

    def __init__(self, scenario: Scenario, folder: Path, played: Played) -> None:
        """Make the stores."""
        self._scenario, self._played = scenario, played
        self._config = config_of(scenario, folder, played)
        self._store = Store(self._config.store.path)
        self._archive = Archive(self._config.store.archive)
        self._examination = Examination(scenario, folder, self._config)
        made: dict[str, Subject[Any]] = {
            TRACES: Traces(self._store, self._archive, self._config.learning),
            FAILURES: Failures(self._store, self._config),
        }
        self._learners = {name: _Learner(made[name]) for name in played.subjects}
        self._truths = {name: Truth() for name in SUBJECTS}

    def play(self, day: int) -> None:
        """A morning with the operator, a day of jobs, an evening with a turn."""
        answered = self._vet(day)
        for name in self._learners:
            self._examination.add(name, day)
        errors = {name: self._errors(name, day) for name in self._learners}
        number = {name: self._number(name) for name in self._learners}
        self._feed(day)
        for name, learner in self._learners.items():
            began = time.perf_counter()
            state, why = self._evening(day, learner)
            learner.days.append(
                Day(
                    name,
                    day,
                    number[name],
                    self._arm(name, number[name]),
                    *errors[name],
                    state,
                    why,
                    answered[name],
                    time.perf_counter() - began,
                )
            )

    def _evening(self, day: int, learner: _Learner) -> tuple[str, str]:
        """A turn, and what is in use afterwards; nothing before the first turn is due."""
        if day < self._played.first_turn:
            return "", ""
        record = self._turn(day, learner.subject).record
        self._take_up(learner)
        if day == self._played.first_turn:
            learner.frozen = learner.in_use
        return record.state.value, str(record.body.get("why", ""))

    def _vet(self, day: int) -> dict[str, int]:
        now = self._scenario.begins(day) + _MORNING
        told = {
            name: answer(self._store, name, self._scenario, self._truths[name], now)
            for name in self._learners
        }
        return {name: one.normal + one.anomaly + one.ignored for name, one in told.items()}

    def _errors(self, name: str, day: int) -> tuple[float | None, float | None]:
        """Of the champion in use, and of the one that stays."""
        learner = self._learners[name]
        in_use = self._error(name, learner.in_use, day)
        same = learner.frozen is None or learner.frozen is learner.in_use
        return in_use, in_use if same else self._error(name, learner.frozen, day)

    def _error(self, name: str, model: Model | None, day: int) -> float | None:
        return None if model is None else self._examination.error(name, model, day)

    def _feed(self, day: int) -> None:
        """Tell what happened, and remember what of it is not so."""
        if TRACES in self._learners:
            traced = traced_day(self._scenario, day)
            feed_traces(self._store, self._archive, traced, self._scenario.begins(day + 1))
            self._truths[TRACES].ailing.update(traced.ailing)
        if FAILURES in self._learners:
            tasks = failing_day(self._scenario, day)
            feed_failures(self._store, tasks)
            false = [task for task in tasks if task.told is not task.action]
            self._truths[FAILURES].false.update(
                f"{task.workflow.key}@{task.time:.3f}" for task in false
            )

    def _turn(self, day: int, subject: Subject[Any]) -> Turned:
        evening = self._scenario.begins(day + 1)
        chance = Random(f"{self._scenario.seed} {day} {subject.name}").randbytes
        loop = Loop(self._store, self._config, clock=lambda: evening, chance=chance)
        (turned,) = loop.learn([subject])
        return turned

    def _take_up(self, learner: _Learner) -> None:
        """Load the champion anew where it is another one."""
        name = learner.subject.name
        with self._store.read() as db:
            newest = champions.newest(db, name)
        if newest is not None and newest.digest != learner.digest:
            learner.in_use = learner.subject.load(self._config.store.models / name)
            learner.digest = newest.digest

    def _number(self, name: str) -> int:
        with self._store.read() as db:
            newest = champions.newest(db, name)
        return newest.number if newest else 0

    def _arm(self, name: str, number: int) -> str:
        with self._store.read() as db:
            found = champions.get(db, name, number)
        return found.arm if found else ""

    def outcome(self) -> Simulated:
        """All that was seen."""
        days = [day for learner in self._learners.values() for day in learner.days]
        changes = [change for name in self._learners for change in self._changes(name)]
        return Simulated(self._scenario, self._played.first_turn, tuple(days), tuple(changes))

    def _changes(self, name: str) -> list[Change]:
        with self._store.read() as db:
            history = champions.history(db, name)[::-1]
        arms = ["-", *(one.arm for one in history)]
        return [
            _change(one, arms[place], self._scenario.day_of(one.promoted) - 1)
            for place, one in enumerate(history)
        ]

    def close(self) -> None:
        """Close the stores."""
        self._store.close()
        self._examination.close()


def _change(champion: champions.Champion, before: str, day: int) -> Change:
    """With the figures of the comparison that was made last; a restored one has none of its own."""
    restored = champion.restores != champion.number
    figures = {} if restored else champion.body.get("figures", {})
    won = next((who for who in ("new", "shadow", "previous") if f"{who} gain" in figures), "")

    def figure(name: str) -> float | None:
        value = figures.get(f"{won} {name}")
        return None if value is None else float(value)

    return Change(
        champion.subject,
        day,
        champion.number,
        before,
        champion.arm,
        figure("gain"),
        figure("low"),
        figure("high"),
        figure("p"),
        champion.why,
    )
