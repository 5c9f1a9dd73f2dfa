"""The arm that looks at nothing: every answer as often as it came. What all others must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..task import FailedTask
from .arm import Floats
from .keeping import KeptArm, json_bytes, unfitted
from .labelled import floored, numbered, shares


class MajorityArm(KeptArm):
    """The shares of the answers in the training history, by Laplace's rule."""

    name = "majority"

    shares_: Floats

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Count the answers; ValueError says what the tasks lack."""
        self.classes_, numbers = numbered(tasks, labels)
        self.shares_ = shares(numbers, len(self.classes_))
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``, all rows alike."""
        if not hasattr(self, "shares_"):
            raise unfitted(self.name)
        return floored(np.tile(self.shares_, (len(tasks), 1)))

    def files(self) -> dict[str, bytes]:
        """The shares."""
        if not hasattr(self, "shares_"):
            raise unfitted(self.name)
        learned = {"classes": list(self.classes_), "shares": self.shares_.tolist()}
        return {"arm.json": json_bytes(learned)}

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.shares_ = np.array(learned["shares"], dtype=np.float64)
        if self.shares_.shape != (len(self.classes_),) or not np.all(self.shares_ > 0):
            raise ValueError("shares of other classes")
