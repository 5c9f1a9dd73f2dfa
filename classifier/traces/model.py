"""The trace model: how far a thread's window is from what healthy runs look like.

What the brain uses: it scales windows, has one of the models of :mod:`.kinds` learn and score
them, and tells how odd a score is. Higher scores are more abnormal.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ...jobs.windows import TraceWindow, WindowLength
from .. import artifact
from ..parameters import Parametrised
from . import kinds
from .conformal import Calibration, Cell
from .estimator import Estimator, Progress, Scores, UnfittedError
from .explaining import Explanation
from .explaining import explain as explanation_of
from .normalise import Floats, Mask, Scaling
from .samples import Samples, apart, by_width, check_length, check_shape, stack
from .tracks import Track, tracks_of

KIND = "traces"
VERSION = 3
MIN_SAMPLES = 16
MIN_RUNS = 3  # one to train on, one to stop by, one to calibrate on
_COPIES = 6  # of the windows that training holds at its peak
_LEARNED = "learned."  # before the names of the estimator's tensors


class TraceModel(Parametrised):
    """A model of what healthy threads do, with its scaling and its calibration.

    ``reconstruction`` is one of :data:`.kinds.NAMES`; ``options`` go to that model.
    """

    def __init__(
        self,
        *,
        reconstruction: str = "autoencoder",
        epochs: int = 200,
        seed: int = 0,
        members: int = 1,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the parameters; ValueError where ``reconstruction`` or an option is none of ours."""
        self.reconstruction = reconstruction
        self.epochs = epochs
        self.seed = seed
        self.members = members
        self.options = dict(options or {})
        self.steps_ = 0
        self.step_seconds_ = 0.0
        self.features_: tuple[str, ...] = ()
        self.scaling_: Scaling | None = None
        self.model_: Estimator = self._made()
        self.calibration_ = Calibration.empty()

    @property
    def length(self) -> WindowLength:
        """Of the windows it reads: those it learned from."""
        return WindowLength(self.steps_, self.step_seconds_)

    def fit(
        self,
        windows: Sequence[TraceWindow],
        progress: Progress | None = None,
        types: Mapping[str, str] | None = None,
    ) -> TraceModel:
        """Learn from windows of healthy runs; each owned thread of a window is a sample.

        Runs are split: three fifths train, one fifth stops the training, one fifth calibrates.
        ``types`` has the type of each run's job, for comparison among their like. ValueError
        where there are too few samples or runs, or windows differ in features or length.
        """
        if not windows:
            raise ValueError("no windows: collect windows of healthy runs before training")
        self.steps_, self.features_ = windows[0].steps, windows[0].features
        self.step_seconds_ = statistics.median(window.step_seconds for window in windows)
        for window in windows:
            self.check(window)
        samples = self._stacked(windows)
        samples = samples.of(samples.owners[samples.usable])
        runs, count = samples.runs, int(samples.usable.sum())
        if count < MIN_SAMPLES or len(runs) < MIN_RUNS:
            raise ValueError(
                f"{count} samples of {len(runs)} runs: at least {MIN_SAMPLES} samples "
                f"of {MIN_RUNS} runs are needed to train a trace model; collect more windows"
            )
        order = [runs[index] for index in np.random.default_rng(self.seed).permutation(len(runs))]
        fifth = max(1, len(runs) // 5)
        training, validation = samples.of(order[2 * fifth :]), samples.of(order[fifth : 2 * fifth])
        self.scaling_ = Scaling.learn(training.values[training.usable])
        inputs, held = self._inputs(training), self._inputs(validation)
        self.model_ = self._made().fit(*inputs, validation=held, progress=progress)
        self.calibration_ = self._calibrated(windows, set(order[:fifth]), types)
        return self

    def _stacked(self, windows: Sequence[TraceWindow]) -> Samples:
        """What to learn from; ValueError where nodes side by side would not fit into memory."""
        if not self.model_.together:
            return apart(windows, self.steps_, self.features_)
        widest = max(len(window.threads) for window in windows)
        needed = _COPIES * 4 * len(windows) * widest * self.steps_ * len(self.features_)
        free = psutil.virtual_memory().available
        if needed > free:
            raise ValueError(
                f"{len(windows)} windows of up to {widest} threads side by side take "
                f"{needed >> 20} MiB to learn from, {free >> 20} MiB are free; "
                "use a model without the graph layer"
            )
        return stack(windows, self.steps_, self.features_)

    def _calibrated(
        self, windows: Sequence[TraceWindow], runs: set[str], types: Mapping[str, str] | None
    ) -> Calibration:
        """From what ``runs`` score beside the others on their nodes, as they will be scored."""
        theirs = [window for window in windows if not runs.isdisjoint(window.owners)]
        kept = [track for track in self._tracks(theirs) if track.run in runs]
        return Calibration.learn(kept, types)

    def _made(self) -> Estimator:
        return kinds.make(
            self.reconstruction,
            seed=self.seed,
            epochs=self.epochs,
            members=self.members,
            options=self.options,
        )

    def _inputs(self, samples: Samples) -> tuple[Floats, Mask]:
        """Scaled windows, and True where a number was measured of a thread that a run owned."""
        if self.scaling_ is None:
            raise UnfittedError
        scaled, mask = self.scaling_.apply(samples.values)
        return scaled, mask & samples.usable[:, :, None, None]

    def _window(self, window: TraceWindow) -> tuple[Floats, Mask]:
        if self.scaling_ is None:
            raise UnfittedError
        self.check(window)
        return self._inputs(stack([window], self.steps_, self.features_))

    def score_samples(self, window: TraceWindow) -> Scores:
        """``[threads]``, higher = more abnormal; NaN where nobody owns a thread or measured it."""
        return np.asarray(self.model_.score_samples(*self._window(window))[0])

    def embed(self, window: TraceWindow) -> Floats:
        """``[threads, latent]``: where the model places each thread; NaN as in scores."""
        return np.asarray(self.model_.embed(*self._window(window))[0])

    def errors(self, window: TraceWindow) -> Scores:
        """``[threads, steps, features]``: what each number adds to the score of its thread.

        0 where not measured or not owned; ValueError where the model knows no such shares.
        """
        return np.asarray(self.model_.errors(*self._window(window))[0])

    def judge(
        self, windows: Sequence[TraceWindow], types: Mapping[str, str] | None = None
    ) -> list[Cell]:
        """How odd each run is on each node, by its newest windows among these, together.

        ValueError where a window is not of the features and length the model was trained on.
        """
        if not windows:
            return []
        return self.calibration_.judge(self._tracks(windows), types)

    def check(self, window: TraceWindow) -> None:
        """ValueError where the model does not read windows of these features or this length."""
        check_shape(window, self.steps_, self.features_)
        check_length(window, self.length)

    def _tracks(self, windows: Sequence[TraceWindow]) -> list[Track]:
        for window in windows:
            self.check(window)
        return tracks_of(windows, self._scored(windows))

    def _scored(self, windows: Sequence[TraceWindow]) -> list[Scores]:
        """``[threads]`` of each window."""
        found = [np.zeros(0)] * len(windows)
        for places in by_width(windows):
            samples = stack([windows[place] for place in places], self.steps_, self.features_)
            rows = self.model_.score_samples(*self._inputs(samples))
            for place, row in zip(places, rows, strict=True):
                found[place] = row
        return found

    def run_p_values(
        self, window: TraceWindow, types: Mapping[str, str] | None = None
    ) -> dict[str, float]:
        """One p-value per run key that owns threads of the window; NaN where not measured."""
        found = dict.fromkeys((owner for owner in window.owners if owner), math.nan)
        return found | {cell.run: cell.p for cell in self.judge([window], types)}

    def explain(self, window: TraceWindow, thread: int) -> list[tuple[str, float]]:
        """The features that carry the error of hardware thread ``thread``: (name, share of it).

        Nothing where the model does not tell, as an isolation forest, or nobody owns the thread.
        """
        if thread not in window.threads:
            raise ValueError(f"window {window.key}: no thread {thread}")
        return list(self._explained(window, [window.threads.index(thread)]).features)

    def explain_run(self, window: TraceWindow, run: str) -> Explanation:
        """Features, steps and threads that carry the error of a run in a window; or nothing."""
        return self._explained(
            window, [place for place, owner in enumerate(window.owners) if owner == run]
        )

    def _explained(self, window: TraceWindow, places: list[int]) -> Explanation:
        threads = [window.threads[place] for place in places]
        errors = np.zeros((len(places), self.steps_, len(self.features_)))
        if self.model_.explains:
            errors = self.errors(window)[places]
        return explanation_of(errors, threads, self.features_)

    def save(self, directory: Path) -> None:
        """Write the model into ``directory``, replacing an older one there.

        ArtifactError where it is larger than what is read back.
        """
        artifact.write(directory, KIND, VERSION, self.files())

    def files(self) -> dict[str, bytes]:
        """What is saved of it, by file name."""
        if self.scaling_ is None:
            raise UnfittedError
        about = {
            "parameters": self.get_params(),
            "model": self.model_.get_params(),
            "steps": self.steps_,
            "step_seconds": self.step_seconds_,
            "features": self.features_,
            "calibration": self.calibration_.params(),
        }
        tensors = {
            **{f"{_LEARNED}{name}": tensor for name, tensor in self.model_.tensors().items()},
            "scaling.median": self.scaling_.median,
            "scaling.scale": self.scaling_.scale,
            **self.calibration_.tensors(),
        }
        return {
            "learned.json": json.dumps(about).encode(),
            "tensors.safetensors": save_tensors(
                {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
            ),
        }

    @classmethod
    def load(cls, directory: Path) -> TraceModel:
        """Read a saved model; ArtifactError where it is damaged or of another format."""
        files = artifact.read(directory, KIND, VERSION)
        try:
            about = json.loads(files["learned.json"])
            model = cls(**about["parameters"])
            model.steps_, model.features_ = int(about["steps"]), tuple(about["features"])
            model.step_seconds_ = float(about["step_seconds"])
            tensors = load_tensors(files["tensors.safetensors"])
            model._take(about["model"], tensors)
            model.calibration_ = Calibration.from_tensors(about["calibration"], tensors)
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise artifact.ArtifactError(f"{directory}: damaged; train the model anew") from error
        return model

    def _take(self, params: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
        """Fill in what was learned; ValueError where numbers or shapes make no model."""
        width = len(self.features_)
        scaling = Scaling(tensors["scaling.median"], tensors["scaling.scale"])
        if scaling.median.shape != (width,) or scaling.scale.shape != (width,):
            raise ValueError(f"the scaling does not fit {width} features")
        learned = {
            name.removeprefix(_LEARNED): tensor
            for name, tensor in tensors.items()
            if name.startswith(_LEARNED)
        }
        finite = [*learned.values(), scaling.median, scaling.scale]
        if not all(np.isfinite(tensor).all() for tensor in finite):
            raise ValueError("not all numbers are finite")
        if tuple(learned["window.shape"]) != (self.steps_, width):
            raise ValueError(f"the model does not read {self.steps_} steps of {width} features")
        self.model_ = kinds.read(self.reconstruction, params, learned)
        self.scaling_ = scaling
