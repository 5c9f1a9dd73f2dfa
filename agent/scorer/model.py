"""An exported model at work: a window in, the score of each thread out, then each run's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...jobs.sealing import SealError
from ...jobs.text import printable
from ...jobs.windows import WindowLength
from .archive import Archive, layers_of
from .calibration import Calibration
from .forest import Forest
from .layers import LAYERS, Array, Input

LARGEST = np.float32(20.0)  # scales: beyond, one wild reading would drown all others
MAX_NUMBERS = 4096 * 4096  # of one window: as many threads and steps as agents know
_PROBED = (0.0, -20.0, 20.0)  # scales from the median: threads that a new model must score
# What numbers and words do that are not those of a model.
_MISFIT = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError)


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
        except _MISFIT as error:
            raise SealError(
                "the parts of the model do not fit together "
                f"({type(error).__name__}: {printable(str(error), 120)}); "
                "have the brain export it anew"
            ) from error

    def _take(self, header: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.steps = int(header["steps"])
        self.length = WindowLength(self.steps, float(header["step_seconds"]))
        self.features = tuple(str(name) for name in header["features"])
        self.name = str(header.get("model", ""))
        if not 0 < self.steps * len(self.features) <= MAX_NUMBERS or not self.length.seconds > 0:
            raise ValueError("steps and features make no window")
        median, scale = arrays["scaling.median"], arrays["scaling.scale"]
        if not median.shape == scale.shape == (len(self.features),):
            raise ValueError("the scaling does not fit the features")
        if not (scale >= 0).all() or not scale.any():
            raise ValueError("the scales are not positive")
        # Of each number of a thread: all features of the first step, then of the next.
        known = scale > 0  # what was never measured in training has the scale 0, and no say
        self._unknown = np.flatnonzero(~np.tile(known, self.steps))
        self._median, self._scale = (
            np.tile(part.astype(np.float32), self.steps)[:, None]
            for part in (median, np.where(known, scale, 1))
        )
        self._layers = [(LAYERS[words["op"]], words) for words in layers_of(header)]
        self._tensors = {name[2:]: array for name, array in arrays.items() if name[:2] == "t."}
        inputs = self.steps * len(self.features)
        self._forest = Forest(self._tensors, inputs) if header.get("head") == "forest" else None
        self._calibration = Calibration(header, arrays)

    def _probe(self) -> None:
        """Score a usual thread and the wildest: what does not fit fails here, not at a job's."""
        numbers = self._median + self._scale * np.array(_PROBED, np.float32)
        scores = self._score(numbers, np.ones(numbers.shape, bool))
        if scores.shape != (len(_PROBED),) or not np.isfinite(scores).all():
            raise ValueError("it cannot score a window")

    def score(self, window: Array) -> Array:
        """``[threads]`` of ``[threads, steps, features]``; NaN where nothing was measured."""
        numbers = np.ascontiguousarray(window.reshape(len(window), len(self._median)).T)
        mask = np.isfinite(numbers)
        mask[self._unknown] = False
        there = mask.any(axis=0)
        scores = np.full(len(window), np.nan)
        if not there.all():
            numbers, mask = numbers[:, there], mask[:, there]
        if there.any():
            scores[there] = self._score(numbers, mask)
        return scores

    def _score(self, numbers: Array, mask: Array) -> Array:
        """The same of ``[numbers, threads]``, for threads that were all measured somewhere."""
        values = np.where(mask, numbers, self._median)
        values -= self._median
        values /= self._scale
        np.clip(values, -LARGEST, LARGEST, out=values)
        if self._forest is not None:
            return self._forest.score(values.T)
        weights = mask.astype(np.float32)
        entering = Input(values[None], weights[None])
        x = entering.values
        for layer, words in self._layers:
            x = layer(x, words, self._tensors, entering)
        if x.shape[1:] != values.shape:
            raise ValueError(f"{list(x.shape)} numbers come out of {list(values.shape)}")
        # The members' sum first: few numbers are left then to add up in double precision.
        np.subtract(x, values, out=x)
        error = np.einsum("mnt,mnt->nt", x, x)
        error *= weights
        return error.sum(axis=0, dtype=np.float64) / (len(x) * weights.sum(axis=0))

    def judge(
        self, window: Array, owners: Sequence[str | None], kinds: dict[str, str]
    ) -> dict[str, dict[str, Any]]:
        """Score and p-value of each run in a window; ``kinds`` tells the type of a run's job.

        A thread that nobody owns counts for nobody. What cannot be told is left out.
        """
        owned = [thread for thread, owner in enumerate(owners) if owner is not None]
        scores = np.full(len(owners), np.nan)
        scores[owned] = self.score(window[owned])
        threads_of: dict[str, list[int]] = {}
        for thread in owned:
            threads_of.setdefault(str(owners[thread]), []).append(thread)
        found = {}
        for run, threads in threads_of.items():
            own = scores[threads]
            score, p = self._calibration.judge(own[np.isfinite(own)], kinds.get(run, ""))
            told = {"score": score, "p": p}
            found[run] = {name: value for name, value in told.items() if math.isfinite(value)}
        return found

    def check_length(self, length: WindowLength) -> None:
        """WindowError where windows of this length are not those that the model learned from."""
        if not length.same(self.length):
            raise WindowError(
                f"windows of {length}, the model reads {self.length}; set [sample] period_seconds "
                "and [window] steps of all agents alike, or train anew on such windows"
            )

    def check(self, shape: Sequence[int], step_seconds: float, features: Sequence[str]) -> None:
        """WindowError where a window has another length or other features than the model."""
        if len(shape) != 3:
            raise WindowError(f"no window: of shape {list(shape)}; upgrade the agent")
        self.check_length(WindowLength(shape[1], step_seconds))
        if tuple(features) != self.features:
            raise WindowError(
                f"features {', '.join(features)}, the model reads {', '.join(self.features)}; "
                "upgrade agent and brain to one version, or train anew"
            )
