from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.arms import catalogue
from jobmend.classifier.failures.arms.arm import Arm
from jobmend.classifier.failures.arms.labelled import FLOOR
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs.identity import SiteStatus

# Small, so that all of them are fitted in seconds.
SMALL: dict[str, dict[str, object]] = {
    "forest": {"trees": 20},
    "gradient-boosting": {"rounds": 10},
    "xgboost": {"rounds": 10},
    "network": {"epochs": 5},
    "mixture": {"rounds": 10, "causes": (4, 6)},
    "blend": {"members": ("xgboost", "logistic")},
}
LEARNED = [name for name in catalogue.ARMS if name != "majority" and "rules" not in name]


@functools.cache
def history() -> tuple[tuple[FailedTask, ...], tuple[str, ...]]:
    tasks = generate(400, seed=5).history.tasks
    return tuple(tasks), tuple(task.decision.action for task in tasks if task.decision)


def make(name: str, **more: object) -> Arm:
    return catalogue.make(name, **{**SMALL.get(name, {}), **more})


@functools.cache
def fitted(name: str) -> Arm:
    tasks, labels = history()
    return make(name).fit(tasks[:300], labels[:300])


STRANGE = FailedTask(
    "/odd/task",
    {
        Cell("exit:" + "9" * 1000, "\x1b[31m", SiteStatus.UNKNOWN): 10**9,
        Cell("50660", "nowhere", SiteStatus.BAD): 1,
    },
)
EMPTY = FailedTask("/empty/task", {})


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_probabilities_are_such_for_any_task(name: str) -> None:
    arm = fitted(name)
    said = arm.predict_proba([*history()[0][300:], STRANGE, EMPTY])
    assert arm.classes_ == ("acdc", "clone", "special")
    assert said.shape == (102, 3)
    assert said.sum(axis=1) == pytest.approx(1)
    assert said.min() >= FLOOR
    assert arm.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_one_task_is_said_as_among_many(name: str) -> None:
    tasks = history()[0][300:310]
    alone = [fitted(name).predict_proba([task])[0] for task in tasks]
    assert np.array(alone) == pytest.approx(fitted(name).predict_proba(tasks), abs=1e-5)


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_a_kept_arm_says_the_same(name: str) -> None:
    arm, tasks = fitted(name), history()[0][300:]
    params = json.loads(json.dumps(arm.get_params()))
    again = catalogue.restore(name, params, arm.files())
    assert again.classes_ == arm.classes_
    assert again.get_params() == arm.get_params()
    np.testing.assert_array_equal(again.predict_proba(tasks), arm.predict_proba(tasks))


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_a_damaged_file_is_found_out(name: str) -> None:
    params, files = fitted(name).get_params(), fitted(name).files()
    for broken in files:
        for data in (b"", b"{}", files[broken][:-20]):
            with pytest.raises(ArtifactError, match="train"):
                catalogue.restore(name, params, {**files, broken: data})
        missing = {other: data for other, data in files.items() if other != broken}
        with pytest.raises(ArtifactError):
            catalogue.restore(name, params, missing)
    with pytest.raises(ArtifactError):
        catalogue.restore(name, {**params, "no such parameter": 1}, files)


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_the_same_seed_learns_the_same(name: str) -> None:
    tasks, labels = history()
    again = make(name).fit(tasks[:300], labels[:300])
    np.testing.assert_array_equal(
        again.predict_proba(tasks[300:]), fitted(name).predict_proba(tasks[300:])
    )


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_a_class_of_one_task_is_learned(name: str) -> None:
    tasks, labels = history()
    rare = ("bypass", *labels[1:150])
    arm = make(name, resampling="smote").fit(tasks[:150], rare)
    assert "bypass" in arm.classes_
    newest = (*labels[:149], "bypass")
    arm = make(name, resampling="smote").fit(tasks[:150], newest)
    assert np.isfinite(arm.predict_proba(tasks[:20])).all()


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_two_answers_are_needed(name: str) -> None:
    tasks, _ = history()
    with pytest.raises(ValueError, match="'acdc': two different answers"):
        make(name).fit(tasks[:20], ["acdc"] * 20)
    with pytest.raises(ValueError, match="no tasks"):
        make(name).fit([], [])
    with pytest.raises(ValueError, match="3 tasks with 1 labels"):
        make(name).fit(tasks[:3], ["acdc"])


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_it_does_not_speak_before_it_learned(name: str) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        make(name).predict_proba([EMPTY])
    with pytest.raises(ValueError, match="not fitted"):
        make(name).files()


@pytest.mark.parametrize("name", catalogue.ARMS)
def test_two_classes(name: str) -> None:
    tasks, labels = history()
    binary = ["acdc" if label == "acdc" else "other" for label in labels]
    arm = make(name).fit(tasks[:200], binary[:200])
    assert arm.classes_ == ("acdc", "other")
    assert arm.predict_proba(tasks[200:210]).shape == (10, 2)
    again = catalogue.restore(name, arm.get_params(), arm.files())
    np.testing.assert_array_equal(
        again.predict_proba(tasks[200:210]), arm.predict_proba(tasks[200:210])
    )


@pytest.mark.parametrize("name", LEARNED)
def test_a_tiny_history_is_learned(name: str) -> None:
    tasks, _ = history()
    arm = make(name).fit(tasks[:12], ["acdc", "clone"] * 6)
    assert np.isfinite(arm.predict_proba(tasks[:20])).all()


def test_an_unknown_arm_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'a\ufffdb': use one of majority"):
        catalogue.make("a\x1bb")
    with pytest.raises(ValueError, match="xgboost does not take"):
        catalogue.make("xgboost", layers=3)
    with pytest.raises(ArtifactError, match="oracle"):
        catalogue.restore("oracle", {}, {})
    with pytest.raises(ValueError, match="made of mixture"):
        catalogue.make("blend", members=["majority"])


def test_common_parameters_are_for_all() -> None:
    for name in catalogue.ARMS:
        params = catalogue.make(name, resampling="weights", seed=3, threads=1).get_params()
        assert params.get("seed", 3) == 3
        assert params.get("resampling", "weights") == "weights"
        assert json.loads(json.dumps(params)) == params
