"""How often to learn: never, weekly, daily, hourly, on the same changing synthetic cluster.

One arm learns from the newest days every so often and is in use until the next time. Nothing is
vetted and nothing competes: what differs is the age of models alone. Each model is judged on other
jobs of the day it is in use, by the truth: traces by 1 - AUROC, failures by the log-loss.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ....classifier.failures.task import Decision, FailedTask
from ....jobs.windows import TraceWindow
from ..simulated.cluster import traced_day
from ..simulated.failing import failing_day
from ..simulated.scenario import DAY_SECONDS, Scenario

HOUR = 3600.0
WEEK = 7 * DAY_SECONDS
NEVER = math.inf
CADENCES = {"never": NEVER, "weekly": WEEK, "daily": DAY_SECONDS, "hourly": HOUR}
FIRST_DAY = 4  # the first model learns from the days before it
READS_DAYS = 5
_OTHER_JOBS = 2_000_003  # added to the seed
_SLACK = 1e-6  # days

Told = Callable[[str, int, int], None]


class Learner(Protocol):
    """One arm of one subject, with the days it learns from and is judged on."""

    def train(self, since: float, until: float) -> Any:
        """A model of what was told in ``[since, until)``."""

    def error(self, model: Any, day: int) -> float:
        """How much it errs on other jobs of a day."""


class TraceLearner:
    """Windows of runs that ended well, and a window model."""

    def __init__(self, scenario: Scenario, arm: str = "pca", epochs: int = 60) -> None:
        """Draw all days."""
        days = [traced_day(scenario, day) for day in scenario.numbers]
        failed = {
            event.run.key
            for day in days
            for event in day.events
            if event.exit is not None and event.exit.kind.failed
        }
        self._windows = [
            one for day in days for one in day.windows if failed.isdisjoint(one.owners)
        ]
        self._arm, self._epochs, self._seed = arm, epochs, scenario.seed
        others = dataclasses.replace(_others(scenario), runs=3 * scenario.runs, windows=1)
        self._judged: dict[int, tuple[Sequence[TraceWindow], list[bool]]] = {}
        for day in scenario.numbers:
            drawn = traced_day(others, day)
            truth = [window.key in drawn.ailing for window in drawn.windows]
            self._judged[day] = drawn.windows, truth

    def train(self, since: float, until: float) -> Any:
        """A trace model."""
        from ....classifier.traces.watched import WatchedTraceModel

        model = WatchedTraceModel(reconstruction=self._arm, epochs=self._epochs, seed=self._seed)
        return model.fit([one for one in self._windows if since <= one.start < until])

    def error(self, model: Any, day: int) -> float:
        """1 - AUROC of ailing windows against all others."""
        from sklearn.metrics import roc_auc_score

        windows, truth = self._judged[day]
        return 1.0 - float(roc_auc_score(truth, model.scores(windows)))


class FailureLearner:
    """Tasks with the decisions that were truly taken, and an arm of the failure classifier."""

    def __init__(self, scenario: Scenario, arm: str = "logistic") -> None:
        """Draw all days."""
        self._tasks = [one for day in scenario.numbers for one in _decided(scenario, day)]
        others = _others(scenario)
        self._judged = {day: _decided(others, day) for day in scenario.numbers}
        self._arm, self._seed = arm, scenario.seed

    def train(self, since: float, until: float) -> Any:
        """A fitted arm."""
        from ....classifier.failures.arms import catalogue

        told = [one for one in self._tasks if since <= (one.time or 0.0) < until]
        return catalogue.make(self._arm, seed=self._seed).fit(told, _actions(told))

    def error(self, model: Any, day: int) -> float:
        """The mean log-loss in nats."""
        from ....classifier.failures.evaluation.scores import FLOOR

        tasks = self._judged[day]
        table = model.predict_proba(tasks)
        place = {word: column for column, word in enumerate(model.classes_)}
        own = [
            row[place[word]] if word in place else 0.0
            for row, word in zip(table, _actions(tasks), strict=True)
        ]
        return float(-np.log(np.maximum(own, FLOOR)).mean())


@dataclass(frozen=True)
class Kept:
    """A cadence over the days from the first on.

    ``every`` is seconds between trainings, ``errors`` the mean of each day, ``age`` the mean age of
    the model in use in days, ``cpu_seconds`` those of training a day.
    """

    every: float
    errors: tuple[float, ...]
    trainings: int
    age: float
    cpu_seconds: float

    @property
    def error(self) -> float:
        """The mean of all days."""
        return statistics.fmean(self.errors)


def keep(scenario: Scenario, learner: Learner, every: float, tell: Told) -> Kept:
    """Learn ``every`` so many seconds, and judge what is in use at the begin of each interval.

    Where an interval is longer than a day it is judged once a day.
    """
    step = min(every, DAY_SECONDS)
    begin, end = scenario.begins(FIRST_DAY), scenario.begins(scenario.days + 1)
    errors: dict[int, list[float]] = {}
    ages, trained_at, model, spent, trainings = [], -math.inf, None, 0.0, 0
    for number in range(round((end - begin) / step)):
        now = begin + number * step
        day = scenario.day_of(now + _SLACK)
        tell(f"every {every / HOUR:g} h", day - FIRST_DAY, scenario.days - FIRST_DAY + 1)
        if model is None or now - trained_at >= every - _SLACK:
            started = time.process_time()
            model = learner.train(now - READS_DAYS * DAY_SECONDS, now)
            spent += time.process_time() - started
            trained_at, trainings = now, trainings + 1
        errors.setdefault(day, []).append(learner.error(model, day))
        ages.append((now - trained_at + step / 2) / DAY_SECONDS)
    by_day = tuple(statistics.fmean(of) for of in errors.values())
    return Kept(every, by_day, trainings, statistics.fmean(ages), spent / len(by_day))


def _others(scenario: Scenario) -> Scenario:
    return dataclasses.replace(scenario, seed=scenario.seed + _OTHER_JOBS, hidden=0.0)


def _decided(scenario: Scenario, day: int) -> list[FailedTask]:
    from ....classifier.failures.history.records import task_of

    drawn = failing_day(scenario, day)
    tasks = [
        task_of(one.record, time=one.time, decision=Decision(one.action.value)) for one in drawn
    ]
    return [task for task in tasks if task.troubled]


def _actions(tasks: Sequence[FailedTask]) -> list[str]:
    return [task.decision.action for task in tasks if task.decision is not None]
