"""Arms beside each other: who wins, who cannot be told from it, and what failed."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from jobmend.classifier.failures.arms.arm import Floats
from jobmend.classifier.failures.evaluation.comparison import Comparison, Make, compare, pooled
from jobmend.classifier.failures.evaluation.scores import Posterior
from jobmend.classifier.failures.evaluation.splits import newest, stratified
from jobmend.classifier.failures.task import FailedTask

CLASSES = ("acdc", "clone")


class ToldArm:
    """Says what a task's feature ``p`` tells, blurred: a stand-in with a known rank."""

    name: ClassVar[str] = "told"

    def __init__(self, blur: float = 0.0, refuse: str = "", shape: int = 0) -> None:
        self.blur = blur
        self.refuse = refuse
        self.shape = shape
        self.classes_: tuple[str, ...] = ()

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        if self.refuse:
            raise ValueError(self.refuse)
        self.classes_ = tuple(sorted(set(labels), reverse=True))
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        told = np.array([task.features["p"] for task in tasks])
        p = told * (1 - self.blur) + 0.5 * self.blur
        columns = [p if word == "clone" else 1 - p for word in self.classes_]
        return np.column_stack([*columns, *[p] * self.shape])

    def get_params(self) -> dict[str, Any]:
        return {"blur": self.blur, "refuse": self.refuse, "shape": self.shape}

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def restore(cls, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls(**params)


def told(blur: float) -> Make:
    return partial(ToldArm, blur)


def refusing(reason: str) -> Make:
    return partial(ToldArm, refuse=reason)


def history(count: int, seed: int = 0) -> tuple[list[FailedTask], list[str]]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 1.5, size=count)
    labels = np.where(rng.random(count) < p, "clone", "acdc").tolist()
    tasks = [
        FailedTask(f"/wf{place // 2}/t{place}", {}, {"p": float(one)}, time=float(place))
        for place, one in enumerate(p)
    ]
    return tasks, labels


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    tasks, labels = history(1000)
    arms = {"blind": told(1.0), "blurred": told(0.5), "sharp": told(0.0), "twin": told(0.01)}
    return compare(arms, tasks, labels, stratified(tasks, labels, 5))


def test_the_lowest_log_loss_is_the_champion(comparison: Comparison) -> None:
    assert comparison.champion in ("sharp", "twin")
    assert [arm.name for arm in comparison.ranking][2:] == ["blurred", "blind"]


def test_who_cannot_be_told_from_the_champion_is_said(comparison: Comparison) -> None:
    (equal,) = comparison.indistinguishable
    assert {equal, comparison.champion} == {"sharp", "twin"}
    assert f"Not distinguishable from it: {equal}." in comparison.told()


def test_arms_are_compared_task_by_task(comparison: Comparison) -> None:
    worse = comparison.against("blind", "sharp")
    assert worse.word == "worse"
    assert worse.difference.mean == pytest.approx(
        comparison["blind"].log_loss - comparison["sharp"].log_loss
    )
    assert comparison.against("sharp", "blind").word == "better"
    assert comparison.against("sharp", "sharp").word == "no difference"


def test_every_fold_keeps_what_was_said(comparison: Comparison) -> None:
    arm = comparison["sharp"]
    assert len(arm.folds) == 5
    for fold in arm.folds:
        assert fold.classes == CLASSES
        assert fold.probabilities.shape == (len(fold.test), 2)
        assert len(fold.learned.labels) == len(fold.train)
        assert fold.fit_seconds >= 0 and fold.predict_seconds >= 0
        assert fold.scores.ks < 0.2
    assert sorted(np.concatenate([fold.test for fold in arm.folds]).tolist()) == list(range(1000))


def test_columns_are_put_in_the_order_of_the_classes(comparison: Comparison) -> None:
    tasks, labels = history(1000)
    fold = comparison["sharp"].folds[0]
    p = [tasks[place].features["p"] for place in fold.test]
    assert fold.probabilities[:, CLASSES.index("clone")] == pytest.approx(p, abs=1e-5)
    assert [CLASSES[label] for label in fold.labels] == [labels[place] for place in fold.test]


def test_the_table_is_json_with_intervals(comparison: Comparison) -> None:
    rows = json.loads(json.dumps(comparison.table(), allow_nan=False))
    assert [row["arm"] for row in rows] == [arm.name for arm in comparison.ranking]
    mean, low, high = rows[0]["log_loss"]
    assert low < mean < high
    assert rows[0]["closeness"] == [None, None, None]
    assert rows[0]["to_champion"] == [0.0, 0.0, 0.0]
    assert set(rows[0]["of_class"]) == set(CLASSES)


def test_one_fold_has_intervals_over_its_tasks() -> None:
    tasks, labels = history(400)
    found = compare({"sharp": told(0.0), "blind": told(1.0)}, tasks, labels, newest(tasks))
    (plain, _), (drawn, _) = (json.loads(json.dumps(found.table(n))) for n in (0, 40))
    low, high = plain["log_loss"][1:]
    assert low < found["sharp"].log_loss < high
    assert plain["macro_f1"] == [drawn["macro_f1"][0], None, None]
    assert drawn["macro_f1"][1] < drawn["macro_f1"][0] < drawn["macro_f1"][2]
    recall = drawn["of_class"]["clone"]["recall"]
    assert recall[1] <= recall[0] <= recall[2]
    assert drawn["ks"] == plain["ks"]
    assert drawn["log_loss"] == plain["log_loss"]


def test_an_arm_that_cannot_learn_is_told_and_not_ranked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks, labels = history(60)
    with caplog.at_level(logging.WARNING):
        found = compare(
            {"bad": refusing("one class\x1b[31m only"), "sharp": told(0.0)},
            tasks,
            labels,
            newest(tasks),
        )
    assert found.champion == "sharp"
    assert found.indistinguishable == ()
    assert found["bad"].failure == "window 1: one class\ufffd[31m only"
    assert math.isinf(found["bad"].log_loss)
    assert found.table()[-1] == {"arm": "bad", "failure": found["bad"].failure}
    assert "\x1b" not in caplog.text


def test_an_arm_whose_answers_have_another_shape_is_told() -> None:
    tasks, labels = history(60)
    found = compare({"odd": partial(ToldArm, shape=1)}, tasks, labels, newest(tasks))
    assert "no probabilities of 2 classes" in found["odd"].failure
    with pytest.raises(ValueError, match="no arm could be fitted: window 1"):
        _ = found.champion


def test_a_class_that_was_never_learned_gets_the_floor() -> None:
    tasks, labels = history(60)
    labels[-1] = "hold"
    found = compare({"sharp": told(0.0)}, tasks, labels, newest(tasks))
    (fold,) = found["sharp"].folds
    assert fold.classes == ("acdc", "clone", "hold")
    assert 0.0 < fold.probabilities[-1, 2] < 1e-5
    assert fold.held_out.losses[-1] > 10.0


def test_the_posterior_is_closest_to_itself() -> None:
    tasks, labels = history(800)
    p = np.array([task.features["p"] for task in tasks])
    posterior = Posterior(np.column_stack([p, 1 - p]), ("clone", "acdc"))
    found = compare(
        {"sharp": told(0.0), "blurred": told(0.5)},
        tasks,
        labels,
        newest(tasks),
        posterior=posterior,
    )
    assert found["sharp"].folds[0].scores.closeness == pytest.approx(1.0, abs=1e-6)
    assert found["blurred"].folds[0].scores.closeness < 0.95


def test_progress_counts_up_to_the_end() -> None:
    tasks, labels = history(60)
    seen: list[tuple[int, int, str]] = []
    compare(
        {"a": told(0.0), "b": told(1.0)},
        tasks,
        labels,
        stratified(tasks, labels, 3),
        lambda done, total, what: seen.append((done, total, what)),
    )
    assert [done for done, _, _ in seen] == list(range(7))
    assert {total for _, total, _ in seen} == {6}
    assert [what for _, _, what in seen] == ["a"] * 3 + ["b"] * 3 + ["done"]


def test_nothing_to_compare_is_an_error() -> None:
    tasks, labels = history(60)
    with pytest.raises(ValueError, match="at least one arm"):
        compare({}, tasks, labels, newest(tasks))
    with pytest.raises(ValueError, match="one fold"):
        compare({"a": told(0.0)}, tasks, labels, [])


def one_history(seed: int, arms: Mapping[str, Make]) -> Comparison:
    tasks, labels = history(300, seed)
    return compare(arms, tasks, labels, newest(tasks))


def test_comparisons_on_several_histories_are_pooled() -> None:
    arms = {"sharp": told(0.0), "blind": told(1.0)}
    parts = [one_history(seed, arms) for seed in range(3)]
    whole = pooled(parts)
    assert whole["sharp"].log_loss == pytest.approx(
        np.mean([part["sharp"].log_loss for part in parts])
    )
    assert len(set(np.concatenate([fold.test for fold in whole["sharp"].folds]))) == 180
    assert whole.against("blind", "sharp").word == "worse"
    alone = whole["sharp"].interval("log_loss", independent=True)
    shared = whole["sharp"].interval("log_loss")
    assert alone.high - alone.low < shared.high - shared.low
    assert whole.table()[0]["log_loss"] == pytest.approx([alone.mean, alone.low, alone.high], 1e-4)


def test_an_arm_that_failed_on_one_history_failed() -> None:
    parts = [
        one_history(0, {"a": told(0.0), "b": told(1.0)}),
        one_history(1, {"a": refusing("no"), "b": told(1.0)}),
    ]
    whole = pooled(parts)
    assert whole.champion == "b"
    assert whole["a"].failure == "window 1: no"


def test_other_arms_cannot_be_pooled() -> None:
    make: Callable[[str], Comparison] = lambda name: one_history(0, {name: told(0.0)})  # noqa: E731
    with pytest.raises(ValueError, match="same arms"):
        pooled([make("a"), make("b")])
