"""The development pipeline: the same turn, of examples in files instead of the brain's store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import BrainConfig, LearningConfig
from ..sources.stored import StoredWindows
from ..store import Store
from .failures.subject import Failures, Task, examples_of
from .loop import Loop, Turned
from .subject import Example, Tell
from .traces.examples import of_dataset
from .traces.subject import Traces, Window

if TYPE_CHECKING:
    from .registry.registry import Registry

NEWEST_SHARE = 0.3  # of the examples are the newest period
DAY = 86400.0


@dataclass(frozen=True)
class Files:
    """A data set of recorded traces (file or folder), a history in the CMS format; either or both.

    ``out`` is the folder of the models, and of a store of its own.
    """

    windows: Path | None
    history: Path | None
    out: Path


class TracesOfFile(Traces):
    """Windows of a recorded data set, whose faults are known."""

    def __init__(self, store: Store, examples: Sequence[Window], config: LearningConfig) -> None:
        """Give these ``examples``."""
        super().__init__(store, StoredWindows(store), config)
        self._examples = examples

    def gather(self, since: float, until: float) -> list[Window]:
        """Those of ``[since, until)``, oldest first."""
        return [one for one in self._examples if since <= one.time < until]


class FailuresOfFile(Failures):
    """Tasks of a history in a file."""

    def __init__(self, store: Store, examples: Sequence[Task], config: BrainConfig) -> None:
        """Give these ``examples``."""
        super().__init__(store, config)
        self._examples = examples

    def gather(self, since: float, until: float) -> list[Task]:
        """Those of ``[since, until)``, oldest first."""
        return [one for one in self._examples if since <= one.time < until]


def develop(
    files: Files, config: BrainConfig, tell: Tell, registry: Registry | None
) -> list[Turned]:
    """One turn of each file, as if it were the moment after its last example.

    The newest three tenths of the examples are the newest period. ValueError where a file cannot
    be read or is empty.
    """
    store = Store(config.store.path)
    try:
        return [_turn(one, store, tell, registry) for one in _given(files, store, config)]
    finally:
        store.close()


def placed(config: BrainConfig, out: Path) -> BrainConfig:
    """The configuration with everything below ``out``."""
    own = config.store.model_copy(update={"path": out / "learning.db", "models": out / "models"})
    return config.model_copy(update={"store": own})


@dataclass(frozen=True)
class _Given:
    subject: Traces | Failures
    config: BrainConfig
    now: float


def _given(files: Files, store: Store, config: BrainConfig) -> list[_Given]:
    found = []
    if files.windows is not None:
        from ...classifier.traces.dataset import read

        windows = sorted(of_dataset(read(files.windows)), key=lambda one: (one.time, one.key))
        timed, now = _timed(files.windows, windows, config)
        found.append(_Given(TracesOfFile(store, windows, timed.learning), timed, now))
    if files.history is not None:
        from ...classifier.failures.history.cms import read_history

        name = str(files.history)
        tasks = examples_of(read_history(files.history.read_bytes(), name).history)
        timed, now = _timed(files.history, tasks, config)
        found.append(_Given(FailuresOfFile(store, tasks, timed), timed, now))
    return found


def _timed(
    path: Path, examples: Sequence[Example[Any]], config: BrainConfig
) -> tuple[BrainConfig, float]:
    """The configuration for the time that a file spans, and the moment after it."""
    if not examples:
        raise ValueError(f"{path}: holds nothing to learn from")
    times = np.array([one.time for one in examples])
    now = float(np.nextafter(times.max(), np.inf))
    since = float(np.quantile(times, 1 - NEWEST_SHARE, method="higher"))
    days = (now - float(times.min())) / DAY + 1
    period = max(now - since, 1e-6)
    learning = config.learning.model_copy(update={"days": days, "period_seconds": period})
    return config.model_copy(update={"learning": learning}), now


def _turn(given: _Given, store: Store, tell: Tell, registry: Registry | None) -> Turned:
    loop = Loop(store, given.config, lambda: given.now, tell, registry)
    return loop.learn([given.subject])[0]
