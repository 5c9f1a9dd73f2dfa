"""How much models truly err on each simulated day: on other jobs of that day, with the truth.

These jobs go through a store of their own. No turn of learning ever reads it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ...config import BrainConfig
from ...models.shelf import FAILURES, TRACES
from ...sources.archive import Archive
from ...store import Store
from ..failures.subject import Failures
from ..traces.subject import Traces
from .cluster import traced_day
from .failing import failing_day
from .feeding import feed_failures, feed_traces
from .scenario import Scenario

_OTHER_JOBS = 1_000_003  # added to the seed
_MORE_RUNS, _MORE_TASKS = 4, 2  # times as many as on the cluster; a window each
_AILING = 0.3  # of the runs


class Examination:
    """The examined days of a scenario, in ``folder``. Nothing told here is false."""

    def __init__(self, scenario: Scenario, folder: Path, config: BrainConfig) -> None:
        """Make the store."""
        self._scenario = dataclasses.replace(
            scenario,
            seed=scenario.seed + _OTHER_JOBS,
            poison=0,
            runs=_MORE_RUNS * scenario.runs,
            tasks=_MORE_TASKS * scenario.tasks,
            windows=1,
            hidden=0.0,
            ailing=_AILING,
        )
        self._store = Store(folder / "examination.db")
        self._archive = Archive(folder / "examination")
        self._failures = Failures(self._store, config)
        self._traces = Traces(self._store, self._archive, config.learning)
        self._ailing: set[str] = set()

    def add(self, subject: str, day: int) -> None:
        """Tell the jobs of a day, as far as they are of a subject."""
        now = self._scenario.begins(day + 1)
        if subject == TRACES:
            traced = traced_day(self._scenario, day)
            feed_traces(self._store, self._archive, traced, now)
            self._ailing |= traced.ailing
        else:
            feed_failures(self._store, failing_day(self._scenario, day))

    def error(self, subject: str, model: Any, day: int) -> float:
        """Of traces 1 - AUROC, ailing windows against all others; of failures the log-loss."""
        since, until = self._scenario.begins(day), self._scenario.begins(day + 1)
        if subject == TRACES:
            from sklearn.metrics import roc_auc_score

            windows = [one.content for one in self._traces.gather(since, until)]
            ailing = [window.key in self._ailing for window in windows]
            return 1.0 - float(roc_auc_score(ailing, model.scores(windows)))
        if subject == FAILURES:
            tasks = self._failures.gather(since, until)
            return float(np.nanmean(self._failures.losses(model, tasks)))
        raise ValueError(f"{subject!r} is no subject of the simulation")

    def close(self) -> None:
        """Close the store."""
        self._store.close()
