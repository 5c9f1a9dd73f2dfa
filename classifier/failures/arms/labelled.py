"""Labels as numbers, and probabilities that no later step can choke on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....jobs.text import printable
from ..task import FailedTask
from .arm import Floats

Labels = NDArray[np.intp]

FLOOR = 1e-6  # no answer is impossible: the logarithm of 0 would outweigh all other tasks


def numbered(tasks: Sequence[FailedTask], labels: Sequence[str]) -> tuple[tuple[str, ...], Labels]:
    """The sorted words and, for each task, its word's number; ValueError where nothing differs."""
    if len(tasks) != len(labels):
        raise ValueError(f"{len(tasks)} tasks with {len(labels)} labels: each needs one")
    if not labels:
        raise ValueError("no tasks: a history with two different answers is needed to learn from")
    classes, numbers = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"all {len(labels)} tasks have the answer {printable(str(classes[0]), 80)!r}: "
            "two different answers are needed to learn from"
        )
    return tuple(str(word) for word in classes), numbers.astype(np.intp)


def floored(probabilities: Floats) -> Floats:
    """The same rows, none of their entries below :data:`FLOOR`; each row sums to 1."""
    rows = np.asarray(probabilities, dtype=np.float64)
    rows = rows / rows.sum(axis=1, keepdims=True)
    result: Floats = FLOOR + (1 - rows.shape[1] * FLOOR) * rows
    return result


def shares(numbers: Labels, classes: int) -> Floats:
    """How often each class came, each counted once more than it did (Laplace's rule)."""
    counts = np.bincount(numbers, minlength=classes) + 1.0
    result: Floats = counts / counts.sum()
    return result
