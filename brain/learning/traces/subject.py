"""The subject of traces: windows of what threads did, and models of what healthy ones do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from ....jobs.windows import FEATURES, SAME_STEP, TraceWindow
from ...config import LearningConfig
from ...models.shelf import TRACES
from ...sources.source import TraceSource
from ...store import Store
from ..subject import Example, Measured, Numbers, Tell
from . import examples as trace_examples
from . import files as trace_files
from .examples import AILING, HEALTHY, is_ailing, is_healthy
from .injecting import draw, harmed
from .placing import Anomalies, placements

if TYPE_CHECKING:
    from ....classifier.traces.watched import WatchedTraceModel

MEMORY: Final = 256 * 2**20  # bytes of windows that are gathered; training needs six times that
EPOCHS: Final = 60
KNOWN_ANOMALIES: Final = 20  # runs; fewer say too little about a model to be a kind of anomaly
INJECTED: Final = 1000  # windows that are harmed on purpose, at most
PRESENT: Final = 100  # newest windows whose shape is the present one
ALIKE: Final = SAME_STEP**0.5  # times: so steps of any two windows learned from are the same
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

    def alike(self, examples: Sequence[Window]) -> tuple[list[Window], str]:
        """Those of the shape that is told at present, see :func:`of_present_shape`."""
        kept = of_present_shape(examples)
        if len(kept) == len(examples):
            return kept, ""
        return kept, (
            f"{len(examples) - len(kept)} of {len(examples)} windows are left out: they are no "
            f"{kept[-1].content.length}, as most of the newest are, or have other features; set "
            "[sample] period_seconds and [window] steps of all agents alike"
        )

    def length(self, model: Any) -> Mapping[str, float]:
        """Steps and seconds of a step of the windows that it reads."""
        return asdict(model.length)

    def train(self, arm: str, train: Sequence[Window], seed: int, tell: Tell) -> WatchedTraceModel:
        """Learn from healthy windows, which have to be alike; ValueError where they are not or are
        too few, or there is no such arm.
        """
        from ....classifier.traces.watched import WatchedTraceModel

        healthy = sorted(filter(is_healthy, train), key=lambda example: example.time)
        model = WatchedTraceModel(reconstruction=arm, epochs=self._epochs, seed=seed)
        return model.fit(
            [example.content for example in healthy],
            lambda epoch, epochs, _: tell(f"training {arm}", epoch, epochs),
            types_of(healthy),
        )

    def load(self, directory: Path) -> WatchedTraceModel:
        """Read a saved model; ArtifactError where it is damaged."""
        from ....classifier.traces.watched import WatchedTraceModel

        return WatchedTraceModel.load(directory)

    def losses(self, model: Any, examples: Sequence[Window]) -> Numbers:
        """``[examples]``: how much the model errs on each healthy window, see :mod:`.placing`.

        Anomalies are healthy windows of ``examples`` harmed on purpose, and those told of where
        20 runs had some. NaN for all others. What is harmed and how does not depend on the model.
        """
        healthy = [place for place, example in enumerate(examples) if is_healthy(example)]
        found = np.full(len(examples), np.nan)
        if not healthy:
            return found
        windows = [examples[place].content for place in healthy]
        anomalies = self._made(model, windows)
        told = _one_a_run(
            [example for example in examples if is_ailing(example)], self._config.seed
        )
        if len(told) >= KNOWN_ANOMALIES:
            anomalies[_TOLD_ANOMALIES] = Anomalies(model.scores(told))
        found[healthy] = placements(model.scores(windows), anomalies)
        return found

    def _made(self, model: Any, healthy: Sequence[TraceWindow]) -> dict[str, Anomalies]:
        """Scores of healthy windows that were harmed, by kind of harm; a fair sample of many."""
        seed = self._config.seed
        places = list(range(len(healthy)))
        if len(places) > INJECTED:
            drawn = {at: (_lot(healthy[at], seed + 1), healthy[at].key) for at in places}
            places = sorted(places, key=lambda at: drawn[at])[:INJECTED]
        made = [harmed(healthy[at], seed) for at in places]
        scores, made_of = model.scores([window for _, window in made]), np.array(places, np.intp)
        kinds = np.array([kind for kind, _ in made])
        return {
            f"made: {kind}": Anomalies(scores[kinds == kind], made_of[kinds == kind])
            for kind in sorted(set(kinds.tolist()))
        }

    def novelty(self, model: Any, examples: Sequence[Window]) -> Numbers:
        """``[examples]``: p-values of the model's scores and of distances to what it learned from.

        1 for what is known to be ailing, for what a person labelled, and for windows that the model
        does not read: those are no news.
        """
        p = model.novelty([example.content for example in examples], _kinds(examples))
        known = [bool(example.label) or example.truth == AILING for example in examples]
        return np.where(known, 1.0, p)

    def compared(self, model: Any, examples: Sequence[Window]) -> Numbers:
        """``[examples]``: the calibration windows of its kind, or all where those are few."""
        return np.asarray(model.compared(_kinds(examples)), dtype=np.float64)

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


def _lot(window: TraceWindow, seed: int) -> float:
    return float(draw(window.key, seed).random())


def _one_a_run(examples: Sequence[Window], seed: int) -> list[TraceWindow]:
    """One window of each run, drawn by chance: those of one run tell the same."""
    ordered = sorted(examples, key=lambda one: (_lot(one.content, seed), one.key))
    return list({one.group: one.content for one in ordered}.values())


def of_present_shape(examples: Sequence[Window]) -> list[Window]:
    """Those of ``examples``, oldest first, that have the features and the length, in steps and in
    time, that most of the newest have: agents are set anew one by one.
    """
    newest = [one.content for one in examples[-PRESENT:]]
    if not newest:
        return []
    present = max(newest, key=lambda one: sum(_is_alike(one, other) for other in newest))
    return [one for one in examples if _is_alike(one.content, present)]


def _is_alike(one: TraceWindow, other: TraceWindow) -> bool:
    return one.features == other.features and one.length.same(other.length, ALIKE)


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
