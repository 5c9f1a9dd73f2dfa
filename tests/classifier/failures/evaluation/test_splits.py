"""Splits: nothing leaks, every class is spread, time is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.classifier.failures.evaluation.splits import (
    Folds,
    expanding,
    newest,
    stratified,
    workflow_of,
    workflows,
)
from jobmend.classifier.failures.task import FailedTask


def history(workflow_numbers: list[int], times: list[float | None]) -> list[FailedTask]:
    return [
        FailedTask(f"/wf{number}/task{place}", {}, time=time)
        for place, (number, time) in enumerate(zip(workflow_numbers, times, strict=True))
    ]


def assert_nothing_leaks(tasks: list[FailedTask], folds: Folds) -> None:
    groups = workflows(tasks)
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert len(fold.train) and len(fold.test)


@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("/wf/task", "/wf"),
        ("/wf/task/step", "/wf"),
        ("/wf", "/wf"),
        ("cluster/wf", "cluster/wf"),
        ("plain", "plain"),
        ("", ""),
        ("//task", "//task"),
    ],
)
def test_the_workflow_of_a_task(name: str, workflow: str) -> None:
    assert workflow_of(name) == workflow


@pytest.mark.parametrize("asked", [2, 5, 10, 15])
def test_every_task_is_held_out_once_and_classes_are_spread(asked: int) -> None:
    rng = np.random.default_rng(1)
    labels = rng.choice(["acdc", "clone", "hold"], p=[0.85, 0.1, 0.05], size=600).tolist()
    tasks = history((np.arange(600) // 2).tolist(), [None] * 600)
    folds = stratified(tasks, labels, asked)
    assert len(folds) == asked
    assert_nothing_leaks(tasks, folds)
    held_out = np.concatenate([fold.test for fold in folds])
    assert sorted(held_out.tolist()) == list(range(600))
    clones = [Counter(labels[place] for place in fold.test)["clone"] for fold in folds]
    assert max(clones) - min(clones) <= 3


def test_a_class_with_fewer_tasks_than_folds_is_said() -> None:
    tasks = history(list(range(40)), [None] * 40)
    labels = ["acdc"] * 37 + ["clone"] * 2 + ["\x1b[31mred"]
    folds = stratified(tasks, labels, 5)
    assert len(folds) == 5
    assert len(folds.notes) == 2
    assert "'clone' has 2 of the 5" in folds.notes[1]
    assert "\x1b" not in "".join(folds.notes)


def test_fewer_workflows_than_folds_give_fewer_folds() -> None:
    tasks = history([0, 0, 1, 1, 2, 2], [None] * 6)
    folds = stratified(tasks, ["a", "b"] * 3, 5)
    assert len(folds) == 3
    assert folds.notes[0].startswith("3 folds instead of 5")
    assert_nothing_leaks(tasks, folds)


def test_each_seed_splits_differently_and_the_same_seed_alike() -> None:
    tasks = history(list(range(60)), [None] * 60)
    labels = ["a", "b"] * 30
    twice = stratified(tasks, labels, 3, seeds=(1, 2)).folds
    assert len(twice) == 6
    assert any((one.test != two.test).any() for one, two in zip(twice[:3], twice[3:], strict=True))
    again = stratified(tasks, labels, 3, seeds=(1, 2)).folds
    assert all((one.test == two.test).all() for one, two in zip(twice, again, strict=True))


def test_one_workflow_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="at least two workflows"):
        stratified(history([7] * 9, [None] * 9), ["a"] * 9)


def test_the_newest_are_held_out() -> None:
    times: list[float | None] = [50.0, 10.0, 40.0, 20.0, 30.0]
    (fold,) = newest(history([0, 1, 2, 3, 4], times), share=0.4)
    assert fold.test.tolist() == [2, 0]
    assert fold.train.tolist() == [1, 3, 4]


def test_what_is_learned_from_is_in_time_order() -> None:
    times: list[float | None] = np.random.default_rng(4).permutation(50).astype(float).tolist()
    tasks = history(list(range(50)), times)
    for split in (stratified(tasks, ["a", "b"] * 25, 4), expanding(tasks)):
        for fold in split:
            assert (np.diff([times[place] for place in fold.train]) > 0).all()


def test_older_tasks_of_held_out_workflows_are_not_learned_from() -> None:
    tasks = history([0, 1, 2, 3, 0], [1.0, 2.0, 3.0, 4.0, 5.0])
    split = newest(tasks, share=0.2)
    (fold,) = split
    assert fold.test.tolist() == [4]
    assert fold.train.tolist() == [1, 2, 3]
    assert split.notes == (
        "1 older tasks of held-out workflows were not learned from, over all windows",
    )


def test_windows_expand_and_follow_each_other() -> None:
    tasks = history(list(range(100)), [float(place) for place in range(100)])
    folds = expanding(tasks, windows=5, first=0.5)
    assert [len(fold.train) for fold in folds] == [50, 60, 70, 80, 90]
    assert [len(fold.test) for fold in folds] == [10] * 5
    assert all(fold.train.max() < fold.test.min() for fold in folds)


def test_tasks_of_one_moment_are_not_torn_apart() -> None:
    times: list[float | None] = [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    (fold,) = newest(history(list(range(10)), times), share=0.6)
    assert fold.train.tolist() == [0, 1]


def test_without_times_the_order_is_the_time_and_it_is_said() -> None:
    split = newest(history(list(range(10)), [None, *[float(9 - n) for n in range(9)]]), 0.2)
    assert split.folds[0].test.tolist() == [8, 9]
    assert split.notes == ("1 tasks have no time: their order was taken for it",)


@pytest.mark.parametrize(("share", "tasks"), [(0.0, 10), (1.0, 10), (0.2, 0), (0.2, 1)])
def test_what_cannot_be_split_by_time_is_said(share: float, tasks: int) -> None:
    with pytest.raises(ValueError, match="give"):
        newest(history(list(range(tasks)), [float(place) for place in range(tasks)]), share)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.one_of(st.none(), st.floats(allow_nan=True), st.integers(0, 3).map(float)),
            st.sampled_from("abc"),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(2, 6),
)
def test_nothing_ever_leaks(rows: list[tuple[int, float | None, str]], asked: int) -> None:
    tasks = history([row[0] for row in rows], [row[1] for row in rows])
    labels = [row[2] for row in rows]
    splits: list[Callable[[], Folds]] = [
        lambda: stratified(tasks, labels, asked),
        lambda: newest(tasks, 0.3),
        lambda: expanding(tasks, asked, 0.4),
    ]
    for split in splits:
        try:
            folds = split()
        except ValueError as error:
            assert "give" in str(error)
        else:
            assert_nothing_leaks(tasks, folds)


def test_names_that_all_begin_alike_tell_no_workflow() -> None:
    alike = [FailedTask(f"/cms/task-{number}", {}) for number in range(60)]
    assert len(np.unique(workflows(alike))) == 60
    assert len(np.unique(workflows(alike[:20]))) == 1
    told = [FailedTask(f"/wf-{number // 2}/task-{number}", {}) for number in range(60)]
    assert len(np.unique(workflows(told))) == 30
