"""Learning curves, with an arm that remembers what it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from jobmend.classifier.failures.arms.arm import Floats
from jobmend.classifier.failures.evaluation.learning_curve import learning_curve
from jobmend.classifier.failures.evaluation.splits import Fold
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs.identity import SiteStatus

SEEN: list[list[int]] = []


class Shares:
    """Says the shares of the classes; cannot learn from fewer than three tasks."""

    name: ClassVar[str] = "shares"
    classes_: tuple[str, ...]

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        SEEN.append([int(task.name) for task in tasks])
        if len(tasks) < 3:
            raise ValueError("too few")
        self.classes_ = tuple(sorted(set(labels)))
        self.shares = np.array([labels.count(word) for word in self.classes_]) / len(labels)
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        return np.tile(self.shares, (len(tasks), 1))

    def get_params(self) -> dict[str, Any]:
        return {}

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def restore(cls, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls()


@pytest.fixture
def tasks() -> list[FailedTask]:
    cell = Cell("1", "a", SiteStatus.GOOD)
    return [FailedTask(str(number), {cell: 1}) for number in range(20)]


def test_parts_grow_hold_each_other_and_keep_the_order(tasks: list[FailedTask]) -> None:
    SEEN.clear()
    labels = ["acdc", "clone"] * 10
    fold = Fold(np.arange(16), np.arange(16, 20))
    steps: list[int] = []
    curve = learning_curve(
        Shares, tasks, labels, fold, shares=(0.1, 0.5, 1.0), repeats=2, step=lambda: steps.append(1)
    )
    assert curve.sizes == (2, 8, 16)
    assert len(steps) == 5  # the whole is fitted once
    assert all(part == sorted(part) for part in SEEN)
    assert set(SEEN[0]) < set(SEEN[1]) < set(SEEN[2]) == set(range(16))
    assert curve.test.shape == (3, 2)
    assert np.isnan(curve.test[0]).all()  # two tasks teach this arm nothing
    assert curve.test[2, 0] == pytest.approx(np.log(2))
    assert np.isnan(curve.test[2, 1])
    assert curve.arm == "shares"
