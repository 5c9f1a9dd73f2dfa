from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from jobmend.classifier.failures.arms.arm import Floats
from jobmend.classifier.failures.arms.boosted import BoostedArm
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.classifier.failures.trust.explanation import Explainer
from jobmend.jobs.identity import SiteStatus

GOOD, BAD = SiteStatus.GOOD, SiteStatus.BAD


def task(*cells: tuple[str, str, SiteStatus, int]) -> FailedTask:
    return FailedTask("/wf/task", {Cell(code, site, status): n for code, site, status, n in cells})


class ByHand:
    """P(clone) has log-odds 0.5 a failure with 8001 and -0.25 a failure at a bad site."""

    name: ClassVar[str] = "by hand"
    classes_: tuple[str, ...] = ("acdc", "clone")

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        odds = np.array(
            [
                sum(
                    n * (0.5 * (cell.code == "8001") - 0.25 * (cell.status is BAD))
                    for cell, n in one.cells.items()
                )
                for one in tasks
            ]
        )
        p = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - p, p])

    def get_params(self) -> dict[str, Any]:
        return {}

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def restore(cls, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls()


SOME = task(("8001", "a", GOOD, 4), ("92", "a", BAD, 8), ("92", "b", BAD, 2), ("85", "c", GOOD, 3))


def test_any_arm_is_asked_without_each_group() -> None:
    told = {one.text: one.weight for one in Explainer(ByHand()).weigh(SOME, "clone")}
    assert told == pytest.approx(
        {
            "92 at any site (bad): 10": -2.5,
            "8001 at a (good): 4": 2.0,
            "92 at a (bad): 8": -2.0,
            "92 at b (bad): 2": -0.5,
        }
    )


def test_what_speaks_for_one_speaks_against_the_other() -> None:
    explainer = Explainer(ByHand())
    speaks = {one.text: one.weight for one in explainer.weigh(SOME, "acdc")}
    for one in explainer.weigh(SOME, "clone"):
        assert speaks[one.text] == pytest.approx(-one.weight)


def test_the_strongest_come_first_and_no_more_than_asked_for() -> None:
    told = Explainer(ByHand()).weigh(SOME, "clone", 1)
    assert [one.text for one in told] == ["92 at any site (bad): 10", "8001 at a (good): 4"]


def test_a_task_without_failures_has_no_reasons() -> None:
    assert Explainer(ByHand()).weigh(task(), "clone") == ()


def test_only_the_largest_groups_of_a_wide_task_are_tried() -> None:
    wide = task(*((str(n), f"s{n % 40}", GOOD, 1 + n) for n in range(600)))
    assert Explainer(ByHand()).weigh(wide, "clone") == ()


def test_an_action_that_the_arm_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the actions"):
        Explainer(ByHand()).weigh(SOME, "kill")


def test_names_are_safe_to_show() -> None:
    hostile = task(("8001", "\x1b[31m", GOOD, 4), ("92", "b", GOOD, 1))
    assert all(one.text.isprintable() for one in Explainer(ByHand()).weigh(hostile, "clone"))


@pytest.fixture(scope="module")
def trees() -> BoostedArm:
    """Fitted on synthetic tasks."""
    tasks = generate(600, 2).history.tasks
    labels = [one.decision.action for one in tasks if one.decision]
    return BoostedArm(rounds=30).fit(tasks, labels)


def test_trees_tell_what_speaks_for_cloning(trees: BoostedArm) -> None:
    """In the synthetic history code bugs are cloned, and 8001 is their commonest code."""
    bug = task(("8001", "T2_XX_Site020", GOOD, 90), ("8001", "T2_XX_Site021", GOOD, 60))
    told = Explainer(trees).weigh(bug, "clone", 5)
    assert any(one.text.startswith("8001 at any site") and one.weight > 0 for one in told)


def test_the_weights_of_two_classes_are_the_log_odds() -> None:
    tasks = generate(400, 2).history.tasks
    labels = ["acdc" if t.decision and t.decision.action == "acdc" else "other" for t in tasks]
    arm = BoostedArm(rounds=10).fit(tasks, labels)
    one = tasks[0]
    p = arm.predict_proba([one])[0, 1]
    told = Explainer(arm).weigh(one, "other", 10_000)
    before = float(arm.contributions([one]).values[0, 1, -1])
    lost = 0.001 * arm.contributions([one]).values.shape[2]  # too small to be told
    assert before + sum(w.weight for w in told) == pytest.approx(np.log(p / (1 - p)), abs=lost)


def test_summaries_are_told_as_measured(trees: BoostedArm) -> None:
    bug = task(("8001", "T2_XX_Site020", GOOD, 90), ("92", "T2_XX_Site021", GOOD, 10))
    told = {one.text.rpartition(": ")[::2] for one in Explainer(trees).weigh(bug, "clone", 999)}
    values = dict(told)
    assert values.get("dominant code share", "0.9") == "0.9"
    assert values.get("sites", "2") == "2"
