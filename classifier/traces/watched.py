"""A trace model that also knows what it learned from, so that it can tell what is new to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError

from ...jobs.windows import TraceWindow
from .. import artifact
from .conformal import Calibration
from .estimator import Progress, Scores
from .model import KIND, VERSION, TraceModel
from .novelty import Known
from .profiles import profiles


class WatchedTraceModel(TraceModel):
    """A :class:`TraceModel` and what is :class:`.novelty.Known` to it, in one artifact.

    An artifact without the latter, as :class:`TraceModel` saves it, is read too: nothing is new
    to that.
    """

    known_: Known | None = None
    apart_: frozenset[str] = frozenset()  # runs that calibrated; only after fit()

    def fit(
        self,
        windows: Sequence[TraceWindow],
        progress: Progress | None = None,
        types: Mapping[str, str] | None = None,
    ) -> Self:
        """Learn as :meth:`TraceModel.fit` does, then remember what that was."""
        super().fit(windows, progress, types)
        owned = [(window, _runs(window)) for window in windows if any(window.owners)]
        calibrating = [window for window, runs in owned if self.apart_.issuperset(runs)]
        learned = [window for window, runs in owned if self.apart_.isdisjoint(runs)]
        self.known_ = Known.learn(
            profiles(learned, self.features_),
            profiles(calibrating, self.features_),
            self.scores(calibrating),
            [kind_of(window, types or {}) for window in calibrating],
            self.seed,
        )
        return self

    def _calibrated(
        self, windows: Sequence[TraceWindow], runs: set[str], types: Mapping[str, str] | None
    ) -> Calibration:
        self.apart_ = frozenset(runs)
        return super()._calibrated(windows, runs, types)

    def reads(self, window: TraceWindow) -> bool:
        """Has the window the features and the length of those learned from?"""
        return window.features == self.features_ and window.length.same(self.length)

    def scores(self, windows: Sequence[TraceWindow]) -> Scores:
        """``[windows]``: how odd the oddest run of each is, by the mean over its threads.

        NaN where nobody owns a thread, nothing was measured, or it reads no such windows.
        """
        found = np.full(len(windows), np.nan)
        readable = [place for place, window in enumerate(windows) if self.reads(window)]
        scored = self._scored([windows[place] for place in readable])
        for place, row in zip(readable, scored, strict=True):
            found[place] = _oddest(windows[place], row)
        return found

    def novelty(self, windows: Sequence[TraceWindow], kinds: Sequence[str]) -> Scores:
        """``[windows]``: p-values, small where a window is unlike all that was learned from.

        ``kinds`` are the types of their jobs. 1 where it reads no such windows or nothing is known.
        """
        if self.known_ is None:
            return np.ones(len(windows))
        return self.known_.unlike(profiles(windows, self.features_), self.scores(windows), kinds)

    def compared(self, kinds: Sequence[str]) -> Scores:
        """``[windows]``: with how many known ones a p-value of :meth:`novelty` compares each."""
        return np.zeros(len(kinds)) if self.known_ is None else self.known_.compared(kinds)

    def oddity(self, windows: Sequence[TraceWindow], kinds: Sequence[str]) -> Scores:
        """``[windows]``: the same by the scores alone, which tell ailing windows."""
        if self.known_ is None:
            return np.ones(len(windows))
        return self.known_.odd(self.scores(windows), kinds)

    def files(self) -> dict[str, bytes]:
        """What is saved of it, by file name."""
        return super().files() | (self.known_.files() if self.known_ is not None else {})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved model; ArtifactError where it is damaged or of another format."""
        model = super().load(directory)
        if not isinstance(model, cls):
            raise TypeError(f"{type(model).__name__} was read, not {cls.__name__}")
        files = artifact.read(directory, KIND, VERSION)
        if any(name.startswith("known.") for name in files):
            try:
                model.known_ = Known.restore(files)
            except (KeyError, TypeError, ValueError, SafetensorError) as error:
                words = f"{directory}: damaged; train the model anew"
                raise artifact.ArtifactError(words) from error
        return model


def kind_of(window: TraceWindow, types: Mapping[str, str]) -> str:
    """The type of job of a window: that of the run with the most threads in it."""
    runs = _runs(window)
    counts = {run: window.owners.count(run) for run in sorted(runs)}
    return types.get(max(counts, key=lambda run: counts[run]), "") if counts else ""


def _runs(window: TraceWindow) -> set[str]:
    return {owner for owner in window.owners if owner is not None}


def _oddest(window: TraceWindow, scores: Scores) -> float:
    """The highest mean score of a run; NaN where none has one."""
    of_runs: dict[str, list[float]] = {}
    for owner, score in zip(window.owners, scores, strict=False):
        if owner is not None and np.isfinite(score):
            of_runs.setdefault(owner, []).append(float(score))
    return max((float(np.mean(one)) for one in of_runs.values()), default=float("nan"))
