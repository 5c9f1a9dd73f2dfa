"""The trace model: how far a thread's window is from what healthy runs look like.

It learns to put healthy samples together again; the score of a sample is its mean squared error
over what was measured, in scaled units. Higher is more abnormal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ...jobs.windows import TraceWindow
from .. import artifact
from .alarms import merge, p_value
from .autoencoder import AutoEncoder
from .baseline import PrincipalComponents
from .normalise import Floats, Mask, Scaling
from .reconstruction import Reconstruction
from .samples import Samples, check_shape, cut, values_of

KIND = "traces"
VERSION = 1
MIN_SAMPLES = 16
MIN_RUNS = 3  # one to train on, one to stop by, one to calibrate on
RECONSTRUCTIONS: dict[str, type[AutoEncoder] | type[PrincipalComponents]] = {
    "autoencoder": AutoEncoder,
    "pca": PrincipalComponents,
}
_UNFITTED = "the trace model is not fitted: call fit() or load() first"


class TraceModel:
    """An auto-encoder of one thread's window, or its baseline ``pca``."""

    def __init__(
        self, *, reconstruction: str = "autoencoder", epochs: int = 200, seed: int = 0
    ) -> None:
        """Keep the parameters; ValueError where ``reconstruction`` is none of ours."""
        if reconstruction not in RECONSTRUCTIONS:
            known = ", ".join(RECONSTRUCTIONS)
            raise ValueError(f"{reconstruction!r} is no reconstruction; there are {known}")
        self.reconstruction = reconstruction
        self.epochs = epochs
        self.seed = seed
        self.steps_ = 0
        self.features_: tuple[str, ...] = ()
        self.scaling_: Scaling | None = None
        self.model_: Reconstruction | None = None
        self.calibration_: NDArray[np.float64] = np.zeros(0)

    def get_params(self) -> dict[str, Any]:
        """The parameters it was made with, by name."""
        return {name: value for name, value in vars(self).items() if not name.endswith("_")}

    def fit(self, windows: Sequence[TraceWindow]) -> TraceModel:
        """Learn from windows of healthy runs; each owned thread of a window is a sample.

        Runs are split: three fifths train, one fifth stops the training, one fifth calibrates.
        ValueError where there are too few samples or runs, or windows differ in shape.
        """
        if not windows:
            raise ValueError("no windows: collect windows of healthy runs before training")
        self.steps_, self.features_ = windows[0].steps, windows[0].features
        samples = cut(windows, self.steps_, self.features_)
        runs = sorted(set(samples.runs))
        if len(samples.runs) < MIN_SAMPLES or len(runs) < MIN_RUNS:
            raise ValueError(
                f"{len(samples.runs)} samples of {len(runs)} runs: at least {MIN_SAMPLES} samples "
                f"of {MIN_RUNS} runs are needed to train a trace model; collect more windows"
            )
        order = [runs[index] for index in np.random.default_rng(self.seed).permutation(len(runs))]
        fifth = max(1, len(runs) // 5)
        training, validation = samples.of(order[2 * fifth :]), samples.of(order[fifth : 2 * fifth])
        self.scaling_ = Scaling.learn(training.values)
        self.model_ = self._learn(training, validation)
        self.calibration_ = np.sort(self._scores(samples.of(order[:fifth]).values))
        return self

    def _learn(self, training: Samples, validation: Samples) -> Reconstruction:
        if self.reconstruction == "pca":
            return PrincipalComponents.fit(self._inputs(training.values)[0])
        from .training import train  # torch takes seconds to import and is needed here alone

        parts = self._inputs(training.values), self._inputs(validation.values)
        return train(*parts, epochs=self.epochs, seed=self.seed)

    def _inputs(self, values: Floats) -> tuple[Floats, Mask]:
        """``[samples, steps * features]``, scaled, and the mask of what was measured."""
        if self.scaling_ is None:
            raise ValueError(_UNFITTED)
        scaled, mask = self.scaling_.apply(values)
        width = self.steps_ * len(self.features_)
        return scaled.reshape(-1, width), mask.reshape(-1, width)

    def _errors(self, values: Floats) -> tuple[NDArray[np.float64], Mask]:
        """Squared errors ``[samples, steps, features]``, 0 where not measured, and the mask."""
        inputs, mask = self._inputs(values)
        if self.model_ is None:
            raise ValueError(_UNFITTED)
        error = (self.model_.reconstruct(inputs) - inputs).astype(np.float64) ** 2 * mask
        return error.reshape(values.shape), mask.reshape(values.shape)

    def _scores(self, values: Floats) -> NDArray[np.float64]:
        error, mask = self._errors(values)
        measured = mask.sum(axis=(1, 2))
        total = error.sum(axis=(1, 2))
        return np.where(measured > 0, total / np.maximum(measured, 1), np.nan)

    def score_samples(self, window: TraceWindow) -> NDArray[np.float64]:
        """``[threads]``, higher = more abnormal; NaN where nobody owns a thread or measured it."""
        check_shape(window, self.steps_, self.features_)
        owned = np.array([owner is not None for owner in window.owners])
        return np.where(owned, self._scores(values_of(window)), np.nan)

    def p_value(self, score: float) -> float:
        """How odd a score is among those of healthy runs kept for that; small = odd."""
        return p_value(self.calibration_, score)

    def run_p_values(self, window: TraceWindow) -> dict[str, float]:
        """One p-value per run key that owns threads of the window, over all its threads."""
        by_run: dict[str, list[float]] = {}
        for owner, score in zip(window.owners, self.score_samples(window), strict=True):
            if owner is not None:
                by_run.setdefault(owner, []).append(self.p_value(float(score)))
        return {run: merge(p_values) for run, p_values in by_run.items()}

    def explain(self, window: TraceWindow, thread: int) -> list[tuple[str, float]]:
        """The features that carry the error of hardware thread ``thread``: (name, share of it)."""
        check_shape(window, self.steps_, self.features_)
        if thread not in window.threads:
            raise ValueError(f"window {window.key}: no thread {thread}")
        index = window.threads.index(thread)
        error = self._errors(values_of(window)[index : index + 1])[0].sum(axis=(0, 1))
        shares = error / (error.sum() or 1.0)
        ranked = sorted(zip(self.features_, map(float, shares), strict=True), key=lambda p: -p[1])
        return [(name, share) for name, share in ranked if share > 0]

    def save(self, directory: Path) -> None:
        """Write the model into ``directory``, replacing an older one there."""
        if self.model_ is None or self.scaling_ is None:
            raise ValueError(_UNFITTED)
        learned = {
            "parameters": self.get_params(),
            "steps": self.steps_,
            "features": self.features_,
        }
        tensors = {
            **self.model_.tensors(),
            "scaling.median": self.scaling_.median,
            "scaling.scale": self.scaling_.scale,
            "calibration": self.calibration_,
        }
        files = {
            "learned.json": json.dumps(learned).encode(),
            "tensors.safetensors": save_tensors(
                {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
            ),
        }
        artifact.write(directory, KIND, VERSION, files)

    @classmethod
    def load(cls, directory: Path) -> TraceModel:
        """Read a saved model; ArtifactError where it is damaged or of another format."""
        files = artifact.read(directory, KIND, VERSION)
        try:
            learned = json.loads(files["learned.json"])
            model = cls(**learned["parameters"])
            model.steps_, model.features_ = int(learned["steps"]), tuple(learned["features"])
            tensors = load_tensors(files["tensors.safetensors"])
            model._take(tensors)
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise artifact.ArtifactError(f"{directory}: damaged; train the model anew") from error
        return model

    def _take(self, tensors: dict[str, Any]) -> None:
        """Fill in what was learned; ValueError where numbers or shapes make no model."""
        width = len(self.features_)
        scaling = Scaling(tensors["scaling.median"], tensors["scaling.scale"])
        if scaling.median.shape != (width,) or scaling.scale.shape != (width,):
            raise ValueError(f"the scaling does not fit {width} features")
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise ValueError("not all numbers are finite")
        self.scaling_, self.calibration_ = scaling, tensors["calibration"]
        reader = RECONSTRUCTIONS[self.reconstruction]
        self.model_ = reader.from_tensors(tensors, self.steps_ * width)
