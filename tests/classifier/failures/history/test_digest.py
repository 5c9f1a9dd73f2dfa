"""The digest names the data, not how it lay in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobmend.classifier.failures.history.digest import digest
from jobmend.classifier.failures.task import Cell, Decision, FailedTask
from jobmend.jobs.identity import SiteStatus

ONE, OTHER = Cell("66", "a", SiteStatus.GOOD), Cell("-1", "\ud800\x1b", SiteStatus.BAD)
TASK = FailedTask("/wf/t", {ONE: 2, OTHER: 1}, {"memory": 1.5}, 7.0, Decision("acdc"))


def test_the_order_of_cells_does_not_matter() -> None:
    assert digest([TASK]) == digest([replace(TASK, cells={OTHER: 1, ONE: 2})])
    assert len(digest([])) == 64


@pytest.mark.parametrize(
    "changed",
    [
        replace(TASK, name="/wf/u"),
        replace(TASK, cells={ONE: 3, OTHER: 1}),
        replace(TASK, cells={ONE._replace(status=SiteStatus.BAD): 2, OTHER: 1}),
        replace(TASK, features={}),
        replace(TASK, time=None),
        replace(TASK, decision=Decision("acdc", splitting="2x")),
        replace(TASK, cause="memory"),
    ],
)
def test_any_other_task_has_another_digest(changed: FailedTask) -> None:
    assert digest([changed]) != digest([TASK])


def test_tasks_do_not_run_into_each_other() -> None:
    assert digest([TASK, TASK]) != digest([TASK])
    assert digest([TASK, replace(TASK, name="x")]) != digest([replace(TASK, name="x"), TASK])
