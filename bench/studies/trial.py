"""One split ready to learn from: windows cut, scaled by what trains, and models fitted to it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from studies.parts import Parts, Set

from jobmend.classifier.traces import kinds
from jobmend.classifier.traces.alarms import Persistence
from jobmend.classifier.traces.conformal import MAX_DEPTH
from jobmend.classifier.traces.dataset import DatasetError, Recorded
from jobmend.classifier.traces.estimator import Estimator
from jobmend.classifier.traces.normalise import Floats, Mask, Scaling
from jobmend.classifier.traces.resampling import recut
from jobmend.classifier.traces.samples import stack
from jobmend.classifier.traces.tracks import tracks_of

STEPS = 64  # of a window, 6.4 s; three of them in a recorded run
STRIDE = 16  # from window to window of what is learned from
SMALLEST = 1e-9  # of a score, before its logarithm
PRIOR_RUNS = 4  # that the spread of all types counts for beside a type's own runs
Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Inputs:
    """Windows as models read them: ``values`` and ``mask`` are ``[windows, threads, …]``."""

    recorded: Sequence[Recorded]
    values: Floats
    mask: Mask

    def rows(self, wanted: Collection[str]) -> Mask:
        """``[windows]``: those of the runs in ``wanted``."""
        return np.array([one.run in wanted for one in self.recorded], dtype=bool)


@dataclass(frozen=True)
class Trial:
    """What trains, what training stops by (both healthy), and all runs without overlap."""

    parts: Parts
    training: Inputs
    stopping: Inputs
    whole: Inputs


@dataclass(frozen=True)
class Budget:
    """How long networks learn, and how many of them make an ensemble."""

    epochs: int = 200
    members: int = 1


def prepare(data: Set, parts: Parts, steps: int = STEPS, stride: int = STRIDE) -> Trial:
    """Cut and scale; ``steps`` may be as long as the windows of the set."""
    faults = data.faults
    newest = [newest_steps(one, steps * (one.window.steps // steps)) for one in data.recorded]
    healthy = {name: parts.healthy(faults, name) for name in ("train", "validation")}
    cut = {
        name: recut([one for one in data.recorded if one.run in runs], steps, min(stride, steps))
        for name, runs in healthy.items()
    }
    samples = stack([one.window for one in cut["train"]], steps, _features(data))
    scaling = Scaling.learn(samples.values[samples.usable])
    return Trial(
        parts,
        _inputs(cut["train"], scaling),
        _inputs(cut["validation"], scaling),
        _inputs(recut(newest, steps), scaling),
    )


def newest_steps(one: Recorded, steps: int) -> Recorded:
    """The last ``steps`` of a recorded window: there a fault shows, if anywhere.

    DatasetError where the window is shorter.
    """
    if not 0 < steps <= one.window.steps:
        raise DatasetError(
            f"run {one.run}: its window has {one.window.steps} steps, {steps or 'more'} are "
            "needed; record longer ones with bench/record.py --steps"
        )
    return recut([one], steps, 1)[-1]


def fitted(name: str, trial: Trial, seed: int, budget: Budget, **options: Any) -> Estimator:
    """A model of :data:`.kinds.NAMES` that learned from the trial's training runs."""
    model = kinds.make(
        name, seed=seed, epochs=budget.epochs, members=budget.members, options=options
    )
    held = (trial.stopping.values, trial.stopping.mask)
    return model.fit(trial.training.values, trial.training.mask, validation=held)


def run_scores(model: Estimator, trial: Trial) -> dict[str, float]:
    """One score a run: over its threads the mean, over its windows what two of three reach.

    As alarms do it, see :mod:`jobmend.classifier.traces.tracks`.
    """
    whole = trial.whole
    scores = model.score_samples(whole.values, whole.mask)
    tracks = tracks_of([one.window for one in whole.recorded], scores)
    return {track.run: track.of_job(MAX_DEPTH, Persistence()) for track in tracks}


def by_type(scores: Mapping[str, float], data: Set, healthy: Collection[str]) -> dict[str, float]:
    """How far the logarithm of each score is above that of healthy runs of its type, in spreads.

    ``healthy`` are runs that the model did not learn from, as those that calibrate alarms: what
    was learned from scores lower, and not equally so in all types. A run is not compared with
    itself nor with runs beside it. A type's spread is drawn to that of all types as if
    :data:`PRIOR_RUNS` more runs had told it. Without like it is compared with all types.
    """
    types, slots = data.types, data.slots
    logs = {run: math.log(max(score, SMALLEST)) for run, score in scores.items()}
    of_type: dict[str, list[str]] = {}
    for run in sorted(healthy):
        of_type.setdefault(types[run], []).append(run)
    away = [_away(np.array([logs[run] for run in runs])) for runs in of_type.values()]
    pooled = max(float(np.mean(np.square(np.concatenate(away)))), SMALLEST)
    every = sorted(healthy)

    def compared(run: str) -> float:
        like = [one for one in of_type.get(types[run], every) if slots[one] != slots[run]]
        known = np.array([logs[one] for one in like or every])
        squares = float(np.square(_away(known)).sum())
        spread = math.sqrt((squares + PRIOR_RUNS * pooled) / (len(known) + PRIOR_RUNS))
        return (logs[run] - float(np.median(known))) / spread

    return {run: compared(run) for run in scores}


def _away(logs: Logs) -> Logs:
    return np.asarray(logs - np.median(logs))


def _features(data: Set) -> tuple[str, ...]:
    return data.recorded[0].window.features


def _inputs(recorded: Sequence[Recorded], scaling: Scaling) -> Inputs:
    first = recorded[0].window
    samples = stack([one.window for one in recorded], first.steps, first.features)
    values, mask = scaling.apply(samples.values)
    return Inputs(recorded, values, mask & samples.usable[:, :, None, None])
