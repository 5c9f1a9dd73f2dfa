"""Sets of classes that hold the right one with a promised share: what "not sure" means in words.

Split conformal prediction with the score 1 - p (Sadinle, Lei and Wasserman 2019, "Least ambiguous
set-valued classifiers with bounded error levels"), one threshold a class (Vovk 2012, "Conditional
validity of inductive conformal predictors"), so that the promise holds for the rare action as it
does for the common one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...artifact import ArtifactError

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

ALPHA = 0.1
_DAMAGED = "conformal sets: damaged; train the model anew"


@dataclass(frozen=True)
class ConformalSets:
    """The least probability with which each class is still in the set."""

    alpha: float
    thresholds: tuple[float, ...]

    @classmethod
    def fit(
        cls, probabilities: Floats, labels: Labels, alpha: float = ALPHA, *, per_class: bool = True
    ) -> ConformalSets:
        """Thresholds from tasks that neither the arm nor its calibration was fitted on.

        Of exchangeable tasks of each class (of all together without ``per_class``), at least
        1 - ``alpha`` have it in their set. A class with fewer than 1 / ``alpha`` - 1 tasks is
        in every set: less cannot be promised. ValueError where ``alpha`` is not in (0, 1).
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha {alpha} is no share between 0 and 1")
        p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.intp)
        told, classes = p[np.arange(len(y)), y], p.shape[1]
        if not per_class:
            return cls(alpha, (_threshold(told, alpha),) * classes)
        return cls(alpha, tuple(_threshold(told[y == c], alpha) for c in range(classes)))

    def sets(self, probabilities: Floats) -> list[tuple[int, ...]]:
        """The classes of each row's set, the most probable first; it is never left out."""
        p = np.asarray(probabilities, dtype=np.float64)
        inside = p >= np.asarray(self.thresholds)
        inside[np.arange(len(p)), p.argmax(axis=1)] = True
        order = np.argsort(-p, axis=1, kind="stable")
        return [
            tuple(int(c) for c in row if held[c]) for row, held in zip(order, inside, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"alpha": self.alpha, "thresholds": list(self.thresholds)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ConformalSets:
        """Read :meth:`to_dict` back; ArtifactError where it is damaged."""
        try:
            alpha = float(document["alpha"])
            thresholds = tuple(float(value) for value in document["thresholds"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(_DAMAGED) from error
        if not 0 < alpha < 1 or not all(0 <= value <= 1 for value in thresholds):
            raise ArtifactError(_DAMAGED)
        return cls(alpha, thresholds)


def _threshold(told: Floats, alpha: float) -> float:
    """The largest value that at least ``(1 - alpha)(n + 1)`` of ``told`` reach; 0 if none does."""
    least = math.floor(alpha * (len(told) + 1) + 1e-9)  # so many may lie below, and one more task
    return float(np.sort(told)[least - 1]) if least >= 1 else 0.0
