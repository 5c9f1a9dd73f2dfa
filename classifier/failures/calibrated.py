"""One question about a task, answered by an arm whose probabilities were made honest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..artifact import ArtifactError
from .arms import catalogue
from .arms.arm import Arm, Floats
from .evaluation import splits
from .evaluation.scores import align
from .prediction import Answer
from .task import FailedTask
from .trust.calibration import Calibration, Labels
from .trust.conformal import ConformalSets

FOLDS = 5
STATE = "state.json"
_DAMAGED = "damaged; train the model anew"


class CalibratedArm:
    """An arm fitted on all tasks, calibrated on what its twins said of tasks they had not seen.

    Cross-fitting (a twin a fold) lets every task of a rare class help to calibrate.
    """

    def __init__(self, arm: Arm, calibration: Calibration, sets: ConformalSets) -> None:
        """What was fitted."""
        self.arm = arm
        self.calibration = calibration
        self.sets = sets

    @classmethod
    def fit(
        cls,
        make: Callable[[], Arm],
        tasks: Sequence[FailedTask],
        labels: Sequence[str],
        *,
        alpha: float,
        seed: int = 0,
        step: Callable[[], None] = lambda: None,
    ) -> tuple[Self, Floats]:
        """Fit, and the honest probabilities ``[tasks, classes]`` of tasks that were held out.

        ``step`` is called after each of the ``FOLDS + 1`` fits.
        """
        classes = sorted(set(labels))
        numbers = np.searchsorted(classes, labels)
        folds = splits.stratified(tasks, labels, FOLDS, (seed,))
        held_out = np.full((len(tasks), len(classes)), np.nan)
        for fold in folds:
            twin = make().fit([tasks[i] for i in fold.train], [labels[i] for i in fold.train])
            told = twin.predict_proba([tasks[i] for i in fold.test])
            held_out[fold.test] = align(told, twin.classes_, classes)
            step()
        honest = _calibrated_apart(held_out, numbers, [fold.test for fold in folds])
        sets = ConformalSets.fit(honest, numbers, alpha)
        arm = make().fit(tasks, labels)
        step()
        return cls(arm, Calibration.fit(held_out, numbers), sets), honest

    @property
    def classes(self) -> tuple[str, ...]:
        """The answers it knows, in the order of the columns."""
        return self.arm.classes_

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes]``, calibrated; rows sum to 1 and no class has 0."""
        return self.calibration.apply(self.arm.predict_proba(tasks))

    def answer(self, row: NDArray[np.float64]) -> Answer:
        """One row of probabilities in words."""
        shares = {word: float(p) for word, p in zip(self.classes, row, strict=True)}
        return Answer(max(shares, key=lambda word: shares[word]), shares)

    def files(self) -> dict[str, bytes]:
        """What was fitted, by file name."""
        state = {
            "arm": self.arm.name,
            "params": self.arm.get_params(),
            "calibration": self.calibration.to_dict(),
            "sets": self.sets.to_dict(),
        }
        return {STATE: json.dumps(state).encode(), **self.arm.files()}

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Read :meth:`files` back; ArtifactError where they are damaged."""
        try:
            state: Mapping[str, Any] = json.loads(files[STATE])
            name, params = state["arm"], state["params"]
            calibration = Calibration.from_dict(state["calibration"])
            sets = ConformalSets.from_dict(state["sets"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{STATE}: {_DAMAGED}") from error
        others = {key: data for key, data in files.items() if key != STATE}
        arm = catalogue.restore(name, params, others)
        if len(sets.thresholds) != len(arm.classes_):
            raise ArtifactError(f"{STATE}: {_DAMAGED}")
        return cls(arm, calibration, sets)


def _calibrated_apart(held_out: Floats, numbers: Labels, parts: Sequence[Labels]) -> Floats:
    """``held_out`` calibrated, each part by what the other parts say: nothing judges itself."""
    honest = np.empty_like(held_out)
    for part in parts:
        others = np.setdiff1d(np.concatenate(parts), part)
        honest[part] = Calibration.fit(held_out[others], numbers[others]).apply(held_out[part])
    return honest
