"""The subject of traces: windows of what threads did, and models of what healthy ones do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from ....jobs.windows import FEATURES, TraceWindow
from ...config import LearningConfig
from ...models.shelf import TRACES
from ...sources.source import TraceSource
from ...store import Store
from ..subject import Example, Measured, Numbers, Tell
from . import examples as trace_examples
from . import files as trace_files
from .examples import AILING, HEALTHY, is_ailing, is_healthy
from .injecting import draw, harmed
from .placing import placements

if TYPE_CHECKING:
    from ....classifier.traces.watched import WatchedTraceModel

MEMORY: Final = 256 * 2**20  # bytes of windows that are gathered; training needs six times that
EPOCHS: Final = 60
KNOWN_ANOMALIES: Final = 20  # fewer say too little about a model to be a kind of anomaly
INJECTED: Final = 1000  # windows that are harmed on purpose, at most
PRESENT: Final = 100  # newest windows whose shape is the present one
_TOLD_ANOMALIES = "told"  # kind of the anomalies that schedulers and persons tell of

Window = Example[TraceWindow]


class Traces:
    """Windows from a source, joined with what the store knows of their runs."""

    name: ClassVar[str] = TRACES

    def __init__(
        self,
        store: Store,
        source: TraceSource,
        config: LearningConfig,
        *,
        memory: float = MEMORY,
        epochs: int = EPOCHS,
    ) -> None:
        """``memory`` bounds the bytes of windows gathered, ``epochs`` the training of networks."""
        self._store = store
        self._source = source
        self._config = config
        self._memory = memory
        self._epochs = epochs

    @property
    def arms(self) -> Sequence[str]:
        """The arms that compete, by name."""
        return self._config.arms_traces

    def gather(self, since: float, until: float) -> list[Window]:
        """What the source has in ``[since, until)``, oldest first: a fair sample where that is
        more than fits, half of it for the last period.
        """
        windows = trace_examples.sampled(
            self._source.windows(since, until),
            until - self._config.period_seconds,
            self._config.max_examples,
            self._memory,
            self._config.seed,
        )
        with self._store.read() as db:
            return trace_examples.joined(db, windows)

    def write(self, path: Path, examples: Sequence[Window]) -> None:
        """Keep examples in one Parquet file, whole or not at all."""
        trace_files.write(path, examples)

    def read(self, path: Path) -> list[Window]:
        """Read them back; ValueError names the file where it is damaged."""
        return trace_files.read(path)

    def measure(self, examples: Sequence[Window]) -> Measured:
        """The mean and the largest of each feature over the threads of runs."""
        from ....classifier.traces.profiles import names, profiles

        windows = [example.content for example in examples]
        return Measured(names(FEATURES), profiles(windows, FEATURES))

    def train(self, arm: str, train: Sequence[Window], seed: int, tell: Tell) -> WatchedTraceModel:
        """Learn from healthy windows of the shape that is told at present; ValueError where they
        are too few, or there is no such arm.
        """
        from ....classifier.traces.watched import WatchedTraceModel

        healthy = sorted(filter(is_healthy, train), key=lambda example: example.time)
        alike = of_present_shape(healthy)
        model = WatchedTraceModel(reconstruction=arm, epochs=self._epochs, seed=seed)
        return model.fit(
            [example.content for example in alike],
            lambda epoch, epochs, _: tell(f"training {arm}", epoch, epochs),
            types_of(alike),
        )

    def load(self, directory: Path) -> WatchedTraceModel:
        """Read a saved model; ArtifactError where it is damaged."""
        from ....classifier.traces.watched import WatchedTraceModel

        return WatchedTraceModel.load(directory)

    def losses(self, model: Any, examples: Sequence[Window]) -> Numbers:
        """``[examples]``: of each healthy window the share of anomalies that do not score above it.

        Anomalies are healthy windows of ``examples`` harmed on purpose, and those told of where
        there are 20 of them. NaN for all others. What is harmed and how does not depend on the
        model.
        """
        healthy = [place for place, example in enumerate(examples) if is_healthy(example)]
        found = np.full(len(examples), np.nan)
        if not healthy:
            return found
        scores = model.scores([examples[place].content for place in healthy])
        found[healthy] = placements(scores, self._anomalies(model, examples))
        return found

    def _anomalies(self, model: Any, examples: Sequence[Window]) -> dict[str, Numbers]:
        """Scores of anomalies by kind."""
        seed = self._config.seed
        healthy = [example.content for example in examples if is_healthy(example)]
        if len(healthy) > INJECTED:
            healthy.sort(key=lambda window: (draw(window.key, seed + 1).random(), window.key))
        made = [harmed(window, seed) for window in healthy[:INJECTED]]
        scores = model.scores([window for _, window in made])
        kinds = np.array([kind for kind, _ in made])
        found = {f"made: {kind}": scores[kinds == kind] for kind in sorted(set(kinds.tolist()))}
        told = [example.content for example in examples if is_ailing(example)]
        if len(told) >= KNOWN_ANOMALIES:
            found[_TOLD_ANOMALIES] = model.scores(told)
        return found

    def novelty(self, model: Any, examples: Sequence[Window]) -> Numbers:
        """``[examples]``: p-values of the model's scores and of distances to what it learned from.

        1 for what is known to be ailing, for what a person labelled, and for windows of another
        shape: those are no news.
        """
        p = model.novelty([example.content for example in examples], _kinds(examples))
        known = [bool(example.label) or example.truth == AILING for example in examples]
        return np.where(known, 1.0, p)

    def suspicion(self, model: Any, examples: Sequence[Window]) -> Numbers:
        """``[examples]``: p-values of the scores of what is told to be healthy, small where the
        model holds it for ailing; NaN for all else.
        """
        p = model.oddity([example.content for example in examples], _kinds(examples))
        told = [not example.label and example.truth == HEALTHY for example in examples]
        readable = [model.reads(example.content) for example in examples]
        return np.where(np.logical_and(told, readable), p, np.nan)

    def describe(self, example: Window) -> Mapping[str, str]:
        """Where and when it was, of what, and what became of it."""
        window = example.content
        runs = Counter(owner for owner in window.owners if owner is not None)
        begun = datetime.fromtimestamp(window.start, UTC)
        return {
            "node": window.node,
            "time": f"{begun:%Y-%m-%d %H:%M:%S} UTC",
            "length": f"{window.steps} steps of {window.step_seconds:g} s",
            "workflow": example.kind or "unknown",
            "runs": ", ".join(f"{run} ({count} threads)" for run, count in sorted(runs.items())),
            "known as": example.label or example.truth or "unknown",
        }


def of_present_shape(examples: Sequence[Window]) -> list[Window]:
    """Those of ``examples``, oldest first, that have the steps and features that most of the newest
    have: agents are set anew one by one.
    """
    shapes = [(one.content.steps, one.content.features) for one in examples]
    present = Counter(shapes[-PRESENT:]).most_common(1)
    wanted = [shape for shape, _ in present]
    return [one for one, shape in zip(examples, shapes, strict=True) if shape in wanted]


def types_of(examples: Sequence[Window]) -> dict[str, str]:
    """The type of each run's job, as far as a window of it alone tells it."""
    return {
        owner: example.kind
        for example in examples
        if len(owners := {owner for owner in example.content.owners if owner is not None}) == 1
        for owner in owners
        if example.kind
    }


def _kinds(examples: Sequence[Window]) -> list[str]:
    return [example.kind for example in examples]
