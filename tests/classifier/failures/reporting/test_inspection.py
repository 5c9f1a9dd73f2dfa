"""What trees look at, on tasks whose action hangs on one code alone."""

from __future__ import annotations

import numpy as np
import pytest

from jobmend.classifier.failures.arms.boosted import BoostedArm
from jobmend.classifier.failures.reporting.inspection import dependence, look
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs.identity import SiteStatus


def of_code(code: str, count: int, number: int) -> FailedTask:
    cells = {
        Cell(code, "siteA", SiteStatus.GOOD): count,
        Cell("1", f"site{number % 3}", SiteStatus.BAD): 2,
    }
    return FailedTask(f"/wf{number}/t", cells)


TASKS = [of_code("66" if number % 2 else "8001", 1 + number % 4, number) for number in range(120)]
LABELS = ["clone" if number % 2 else "acdc" for number in range(120)]


@pytest.fixture(scope="module")
def arm() -> BoostedArm:
    return BoostedArm(seed=0, threads=1).fit(TASKS, LABELS)


def test_the_strongest_column_is_the_code_that_decides(arm: BoostedArm) -> None:
    looks = look(arm, TASKS)
    name = looks.names[int(looks.strongest[0])]
    assert name.startswith(("66 ", "8001 "))
    assert looks.weights.shape == (120, 2, len(looks.names))
    column = looks.names.index(name)
    counts = [
        sum(n for cell, n in task.cells.items() if cell.code == name.split()[0]) for task in TASKS
    ]
    assert looks.values[:, column].tolist() == counts  # as counted, no shift and no scale


def test_features_are_shown_as_measured_not_shifted(arm: BoostedArm) -> None:
    looks = look(arm, TASKS)
    sites = looks.values[:, looks.names.index("sites")]
    assert set(sites.tolist()) <= {1.0, 2.0}


def test_dependence_follows_the_code_that_decides(arm: BoostedArm) -> None:
    looks = look(arm, TASKS)
    column = int(looks.strongest[0])
    (panel,) = dependence(arm, TASKS, [column])
    assert panel.values.tolist() == sorted(panel.values)
    assert np.allclose(panel.probabilities.sum(axis=1), 1)
    side = arm.classes_.index("clone" if panel.name.startswith("66 ") else "acdc")
    assert panel.probabilities[-1, side] > panel.probabilities[0, side] + 0.1


def test_an_embedded_arm_is_refused() -> None:
    arm = BoostedArm(seed=0, threads=1, resampling="borderline", fewest=1, rounds=3)
    tasks = [of_code(str(100 + number % 90), 1, number) for number in range(300)]
    arm.fit(tasks, ["clone" if number % 3 else "acdc" for number in range(300)])
    assert arm.table_.components is not None
    with pytest.raises(ValueError, match="embedding"):
        look(arm, tasks)
    with pytest.raises(ValueError, match="embedding"):
        dependence(arm, tasks, [0])
