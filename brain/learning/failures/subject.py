"""The subject of failures: failed tasks as operators decided about them, and what would decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ....classifier.failures.features import FEATURES, features
from ....classifier.failures.labels import SCHEMES
from ....classifier.failures.task import FailedTask, History
from ... import decisions
from ...config import BrainConfig
from ...models.shelf import FAILURES
from ...store import Store
from ..subject import Example, Measured, Numbers, Tell
from . import code_families
from . import files as failure_files

if TYPE_CHECKING:
    from ....classifier.failures.model import FailureClassifier

ORIGIN = "decisions on this cluster"
LABEL = "action"  # the question that is learned to answer
NORMAL = "normal"  # a person's label
SHOWN = 5  # codes and sites told of a task
# What tells little about change, or hardly varies, is not watched: it would blur the rest.
WATCHED = tuple(
    name
    for name in FEATURES
    if name not in ("cpu_waiting_share", "memory_waiting_share", "io_waiting_share", "tried")
)

Task = Example[FailedTask]


class Failures:
    """Decided tasks of the store; its classifier is trained with one arm at a time."""

    name: ClassVar[str] = FAILURES

    def __init__(self, store: Store, config: BrainConfig) -> None:
        """``config`` tells the arms, what errors cost, and how far back sites are looked at."""
        self._store = store
        self._config = config

    @property
    def arms(self) -> Sequence[str]:
        """The arms that compete, by name."""
        return self._config.learning.arms_failures

    def gather(self, since: float, until: float) -> list[Task]:
        """The tasks decided about in ``[since, until)``, oldest first: the newest, as many as
        a turn may read.
        """
        window = self._config.advice.site_window_seconds
        with self._store.read() as db:
            history = decisions.history(db, window, since, until)
        return examples_of(history)[-self._config.learning.max_examples :]

    def alike(self, examples: Sequence[Task]) -> tuple[list[Task], str]:
        """All: a task is read whatever there is of it."""
        return list(examples), ""

    def length(self, model: Any) -> Mapping[str, float]:
        """Nothing: tasks have no length."""
        return {}

    def write(self, path: Path, examples: Sequence[Task]) -> None:
        """Keep examples in one JSON file, whole or not at all."""
        failure_files.write(path, examples)

    def read(self, path: Path) -> list[Task]:
        """Read them back; ValueError names the file where it is damaged."""
        return failure_files.read(path)

    def measure(self, examples: Sequence[Task]) -> Measured:
        """The summary of the failure matrix, and shares of failures by family of codes."""
        rows = [
            [
                *(value for name, value in zip(FEATURES, row, strict=True) if name in WATCHED),
                *code_families.shares(task),
            ]
            for task in (example.content for example in examples)
            for row in [features(task)]
        ]
        names = (*WATCHED, *(f"share of {name}" for name in code_families.FAMILIES))
        return Measured(names, np.array(rows, dtype=np.float64).reshape(-1, len(names)))

    def codes(self, example: Task) -> Collection[str]:
        """The exit codes of a task's failures."""
        return {cell.code for cell in example.content.cells}

    def train(self, arm: str, train: Sequence[Task], seed: int, tell: Tell) -> FailureClassifier:
        """Learn what was decided; ValueError where that is too little. What a person called an
        anomaly is left out: it was labelled so because its decision teaches nothing.
        """
        from ....classifier.failures.model import FailureClassifier
        from ....classifier.failures.trust.abstention import Costs

        usable = sorted(
            (example for example in train if example.label in ("", NORMAL)),
            key=lambda example: (example.time, example.key),
        )
        costs = Costs.from_dict(self._config.advice.costs.model_dump())
        # The turn compares arms by itself, so this one is told no intervals of a contest of one.
        model = FailureClassifier(arms=(arm,), label=LABEL, costs=costs, seed=seed, resamples=0)
        return model.fit(History([example.content for example in usable], ORIGIN), tell)

    def load(self, directory: Path) -> FailureClassifier:
        """Read a saved model; ArtifactError where it is damaged."""
        from ....classifier.failures.model import FailureClassifier

        return FailureClassifier.load(directory)

    def losses(self, model: Any, examples: Sequence[Task]) -> Numbers:
        """``[examples]``: the log-loss of what was decided, in nats; NaN where nothing was, or a
        person called it an anomaly.

        A decision the model never saw has its least probability, as in all comparisons of arms.
        """
        from ....classifier.failures.evaluation.scores import FLOOR

        told = np.array([column[1] for column in self._said(model, examples)], dtype=np.float64)
        odd = [example.label not in ("", NORMAL) for example in examples]
        return np.where(odd, np.nan, -np.log(np.maximum(told, FLOOR)))

    def novelty(self, model: Any, examples: Sequence[Task]) -> Numbers:
        """``[examples]``: how usual each task's failures are; 1 for what a person labelled."""
        p = model.novelty_.p_values([example.content for example in examples])
        return np.where([bool(example.label) for example in examples], 1.0, p)

    def compared(self, model: Any, examples: Sequence[Task]) -> Numbers:
        """``[examples]``: all tasks that the model knows."""
        return np.full(len(examples), float(model.novelty_.known))

    def suspicion(self, model: Any, examples: Sequence[Task]) -> Numbers:
        """``[examples]``: how likely a decision is that is no likelier than the one taken, by the
        model's calibrated probabilities; NaN where nothing was decided or a person labelled it.

        Where they are right it is at most ``a`` with probability at most ``a``: outcomes are
        ordered by their probability, as in the exact multinomial test.
        """
        told = np.array([column[0] for column in self._said(model, examples)], dtype=np.float64)
        return np.where([bool(example.label) for example in examples], np.nan, told)

    def _said(self, model: Any, examples: Sequence[Task]) -> list[tuple[float, float]]:
        """Of each example the probability of decisions no likelier than its own, and of its own.

        NaN where nothing was decided.
        """
        if not examples:
            return []
        table = model.predict_proba([example.content for example in examples])
        columns = {word: place for place, word in enumerate(model.classes)}
        found = []
        for example, row in zip(examples, table, strict=True):
            word = truth_of(example.content)
            own = row[columns[word]] if word in columns else 0.0
            both = (float(row[row <= own].sum()), float(own)) if word else (np.nan, np.nan)
            found.append(both)
        return found

    def describe(self, example: Task) -> Mapping[str, str]:
        """What failed where, and what was decided."""
        task = example.content
        codes: Counter[str] = Counter()
        sites: Counter[str] = Counter()
        for cell, count in task.cells.items():
            codes[cell.code] += count
            sites[cell.site] += count
        decided = datetime.fromtimestamp(example.time, UTC)
        return {
            "workflow": task.name,
            "decided": f"{decided:%Y-%m-%d %H:%M:%S} UTC",
            "action": truth_of(task) or "none",
            "failures": str(task.failures),
            "codes": ", ".join(f"{code} ({count})" for code, count in codes.most_common(SHOWN)),
            "sites": ", ".join(f"{site} ({count})" for site, count in sites.most_common(SHOWN)),
            "known as": example.label or "unvetted",
        }


def truth_of(task: FailedTask) -> str:
    """What was decided, or nothing: without a failure or a warning there is nothing to decide."""
    if task.decision is None or not task.decision.action or not task.troubled:
        return ""
    return SCHEMES[LABEL](task.decision)


def examples_of(history: History) -> list[Task]:
    """A history as examples, oldest first.

    Their kind is the code of most failures. Tasks without a time come first, a second apart, so
    that their order stays.
    """
    found = [
        Example(
            key=f"{task.name}@{time:.3f}",
            time=time,
            group=task.name,
            kind=kind_of(task),
            truth=truth_of(task),
            content=task,
        )
        for place, task in enumerate(history.tasks)
        for time in [float(place) if task.time is None else task.time]
    ]
    return sorted(found, key=lambda example: (example.time, example.key))


def kind_of(task: FailedTask) -> str:
    """The code of most of its failures; ``none`` where nothing failed yet."""
    codes: Counter[str] = Counter()
    for cell, count in sorted(task.cells.items()):
        codes[cell.code] += count
    return max(codes, key=lambda code: codes[code], default="none")
