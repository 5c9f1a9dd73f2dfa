"""An exported model at work: a window in, the score of each thread out, then each run's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...jobs.sealing import SealError
from ...jobs.text import printable
from .archive import Archive, layers_of
from .calibration import Calibration
from .forest import Forest
from .layers import LAYERS, Array, Input

LARGEST = np.float32(20.0)  # scales: beyond, one wild reading would drown all others
MAX_NUMBERS = 4096 * 4096  # of one window: as many threads and steps as agents know
_PROBED = 2  # threads of the window that a new model must score


class WindowError(ValueError):
    """A window the model cannot read; one sentence names the cure."""


class EdgeModel:
    """Scores windows as the trainer's model does, up to the last digits of float32."""

    def __init__(self, archive: Archive) -> None:
        """Take the model out of ``archive``; SealError where its parts do not fit together."""
        self.version = archive.version
        try:
            self._take(archive.header, archive.arrays)
            self._probe()
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, MemoryError) as error:
            raise SealError(
                "the parts of the model do not fit together "
                f"({type(error).__name__}: {printable(str(error), 120)}); "
                "have the brain export it anew"
            ) from error

    def _take(self, header: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.steps = int(header["steps"])
        self.features = tuple(str(name) for name in header["features"])
        self.name = str(header.get("model", ""))
        if not 0 < self.steps * len(self.features) <= MAX_NUMBERS:
            raise ValueError("steps and features make no window")
        self._median, self._scale = arrays["scaling.median"], arrays["scaling.scale"]
        if not self._median.shape == self._scale.shape == (len(self.features),):
            raise ValueError("the scaling does not fit the features")
        if not (self._scale > 0).all():
            raise ValueError("a scale is not positive")
        self._layers = [(LAYERS[words["op"]], words) for words in layers_of(header)]
        self._tensors = {name[2:]: array for name, array in arrays.items() if name[:2] == "t."}
        inputs = self.steps * len(self.features)
        self._forest = Forest(self._tensors, inputs) if header.get("head") == "forest" else None
        self._calibration = Calibration(header, arrays)

    def _probe(self) -> None:
        """Score a window of zeros: what does not fit together fails here, not at a job's window."""
        scores = self.score(np.zeros((_PROBED, self.steps, len(self.features)), np.float32))
        if scores.shape != (_PROBED,) or not np.isfinite(scores).all():
            raise ValueError("it cannot score a window")

    def score(self, window: Array) -> Array:
        """``[threads]`` of ``[threads, steps, features]``; NaN where nothing was measured."""
        mask = np.isfinite(window)
        there = mask.any(axis=(1, 2))
        scores = np.full(len(window), np.nan)
        if there.any():
            whole = there.all()
            kept, of = (window, mask) if whole else (window[there], mask[there])
            scores[there] = self._score(kept, of)
        return scores

    def _score(self, window: Array, mask: Array) -> Array:
        """The same for threads all of which were measured somewhere."""
        rows = len(window)
        counted = mask.reshape(rows, -1)
        scaled = (np.where(mask, window, self._median) - self._median) / self._scale
        values = np.clip(scaled.reshape(rows, -1), -LARGEST, LARGEST).astype(np.float32)
        if self._forest is not None:
            return self._forest.score(values)
        weights = counted.astype(np.float32)
        entering = Input(values[None], weights[None])
        x = entering.values
        for layer, words in self._layers:
            x = layer(x, words, self._tensors, entering)
        if x.shape[1:] != values.shape:
            raise ValueError(f"{list(x.shape)} numbers come out of {list(values.shape)}")
        # The trainer takes each member's squares in double precision, then their mean.
        error = np.square(x - values, dtype=np.float64)
        total = np.einsum("mri,ri->r", error, counted, dtype=np.float64) / len(x)
        return total / counted.sum(axis=1)

    def judge(
        self, window: Array, owners: Sequence[str | None], kinds: dict[str, str]
    ) -> dict[str, dict[str, Any]]:
        """Score and p-value of each run in a window; ``kinds`` tells the type of a run's job.

        A thread that nobody owns counts for nobody. What cannot be told is left out.
        """
        owned = np.array([owner is not None for owner in owners], dtype=bool)
        scores = np.full(len(owners), np.nan)
        if owned.any():
            scores[owned] = self.score(window[owned])
        found = {}
        for run in {owner for owner in owners if owner is not None}:
            own = scores[[owner == run for owner in owners]]
            score, p = self._calibration.judge(own[np.isfinite(own)], kinds.get(run, ""))
            told = {"score": score, "p": p}
            found[run] = {name: value for name, value in told.items() if math.isfinite(value)}
        return found

    def check(self, shape: Sequence[int], features: Sequence[str]) -> None:
        """WindowError where a window has other steps or features than the model."""
        if len(shape) != 3 or shape[1] != self.steps:
            raise WindowError(
                f"a window of shape {list(shape)}, the model reads {self.steps} steps; "
                "set [window] steps of all agents alike and train anew"
            )
        if tuple(features) != self.features:
            raise WindowError(
                f"features {', '.join(features)}, the model reads {', '.join(self.features)}; "
                "upgrade agent and brain to one version, or train anew"
            )
