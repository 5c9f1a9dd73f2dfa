"""The contract of every arm: what it is fitted on, what it says, how it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..task import FailedTask

Floats = NDArray[np.float64]


class Arm(Protocol):
    """One way to read a failed task.

    The constructor only keeps parameters; what is learned ends in ``_``. A fitted arm is kept as
    its parameters and its files: data in open formats, never a pickle.
    """

    name: ClassVar[str]
    classes_: tuple[str, ...]

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Learn from tasks in time order; ValueError says what they lack."""

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``; rows sum to 1."""

    def get_params(self) -> dict[str, Any]:
        """What it was made with, by name; JSON values."""

    def files(self) -> dict[str, bytes]:
        """What it learned, by file name."""

    @classmethod
    def restore(cls, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """The arm that :meth:`files` kept; ArtifactError where they are damaged."""
