"""The search for parameters: it finds, prunes, resumes, and refuses what is no study."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState

from jobmend.classifier.failures.arms.arm import Floats
from jobmend.classifier.failures.evaluation.search_spaces import Choice, Real, Space, Whole
from jobmend.classifier.failures.evaluation.splits import stratified
from jobmend.classifier.failures.evaluation.tuning import Problem, StudyError, Tuned, tune
from jobmend.classifier.failures.task import FailedTask

SPACE: Space = {
    "sureness": Real(0.5, 0.999),
    "way": Choice({"right": (1,), "wrong": (0,)}),
    "idle": Whole(1, 3),
}


class KnownArm:
    """Is surest at ``sureness`` 0.9, the share of its answers that is right."""

    name: ClassVar[str] = "known"
    fits = 0
    stop_at = 0  # that many fits, then a stop

    def __init__(
        self,
        sureness: float = 0.6,
        way: tuple[int, ...] = (1,),
        idle: int = 1,
        refuse: bool = False,
    ) -> None:
        self.sureness = sureness
        self.way = way
        self.idle = idle
        self.refuse = refuse
        self.classes_: tuple[str, ...] = ()

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        KnownArm.fits += 1
        if KnownArm.fits == KnownArm.stop_at:
            raise SystemExit
        if self.refuse:
            raise ValueError("there is one class only")
        self.classes_ = tuple(sorted(set(labels)))
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        p = self.sureness if self.way == (1,) else 1 - self.sureness
        yes = np.array([task.features["x"] > 0 for task in tasks])
        return np.column_stack([np.where(yes, 1 - p, p), np.where(yes, p, 1 - p)])

    def get_params(self) -> dict[str, Any]:
        return {"sureness": self.sureness, "way": list(self.way), "idle": self.idle}

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def restore(cls, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls(**params)


@pytest.fixture(autouse=True)
def _no_stop() -> Iterator[None]:
    KnownArm.fits = KnownArm.stop_at = 0
    yield
    KnownArm.stop_at = 0


def make(name: str, **params: Any) -> KnownArm:
    assert name == "known"
    return KnownArm(**params)


def problem(right: int = 90, count: int = 200, name: str = "known") -> Problem:
    tasks, labels = [], []
    for place in range(count):
        positive = place % 2 == 0
        so = positive if place % 100 < right else not positive
        features = {"x": 1.0 if positive else -1.0}
        tasks.append(FailedTask(f"/wf{place}/t", {}, features, time=float(place)))
        labels.append("yes" if so else "no")
    return Problem(name, make, SPACE, tasks, labels, stratified(tasks, labels, 4).folds)


def states(study: optuna.Study) -> list[TrialState]:
    return [trial.state for trial in study.get_trials()]


@pytest.fixture(scope="module")
def found() -> Tuned:
    torch.set_num_threads(1)
    return tune(problem(), trials=16, patience=16, seed=1)


def test_an_obvious_optimum_is_found(found: Tuned) -> None:
    assert found.params["sureness"] == pytest.approx(0.9, abs=0.03)
    assert found.params["way"] == (1,)
    assert set(found.params) == set(SPACE)
    assert found.log_loss == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)), abs=0.01)


def test_the_defaults_are_tried_first(found: Tuned) -> None:
    assert found.study.trials[0].params == {"sureness": 0.6, "way": "right", "idle": 1}


def test_bad_trials_are_pruned_and_not_tried_again_and_again(found: Tuned) -> None:
    trials = found.study.trials
    folds_seen = [len(trial.intermediate_values) for trial in trials]
    assert found.pruned.any()
    assert all(
        (folds < 4) == pruned for folds, pruned in zip(folds_seen, found.pruned, strict=True)
    )
    assert np.isfinite(found.values).all()
    assert found.log_loss == found.values[~found.pruned].min()
    assert len({tuple(trial.params.values()) for trial in trials}) == 16


def test_what_matters_is_told(found: Tuned) -> None:
    assert set(found.importances) == set(SPACE)
    assert found.importances["idle"] < 0.2
    assert sum(found.importances.values()) == pytest.approx(1.0)


def test_progress_tells_the_best_so_far() -> None:
    seen: list[tuple[int, int, str]] = []
    found = tune(problem(), trials=4, progress=lambda *told: seen.append(told))
    assert [(done, total) for done, total, _ in seen] == [(n, 4) for n in range(1, 5)]
    assert seen[-1][2] == f"best log-loss {found.log_loss:.4f}"


def test_a_search_ends_where_nothing_better_comes() -> None:
    found = tune(problem(), trials=9, patience=2)
    assert len(found.values) < 9
    assert found.values[:-2].min() == found.log_loss


def test_a_stopped_search_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "we?ird %41 na;me#.db"
    KnownArm.stop_at = 10  # in the third trial
    with pytest.raises(SystemExit):
        tune(problem(), trials=8, patience=8, file=file)
    KnownArm.stop_at = 0
    found = tune(problem(), trials=8, patience=8, file=file)
    assert states(found.study)[2] is TrialState.FAIL
    assert found.study.trials[2].params == found.study.trials[3].params
    assert len(found.values) == 8
    drawn = [tuple(trial.params.values()) for trial in found.study.trials if trial.number != 3]
    assert len(set(drawn)) == len(drawn)


def test_a_finished_search_is_not_done_again(tmp_path: Path) -> None:
    first = tune(problem(), trials=6, file=tmp_path / "study.db")
    fits = KnownArm.fits
    again = tune(problem(), trials=6, file=tmp_path / "study.db")
    assert KnownArm.fits == fits
    assert (again.params, again.log_loss) == (first.params, first.log_loss)


def test_trials_of_another_history_are_refused(tmp_path: Path) -> None:
    tune(problem(), trials=2, file=tmp_path / "study.db")
    with pytest.raises(StudyError, match=r"study\.db: .* another history .* give another file"):
        tune(problem(right=80), trials=2, file=tmp_path / "study.db")


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"remember the milk " * 100)
    with pytest.raises(StudyError, match=r"notes\.txt: no file of studies"):
        tune(problem(), trials=2, file=file)
    assert file.read_bytes() == b"remember the milk " * 100


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "brain.db"
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE runs (key TEXT)")
    before = file.read_bytes()
    with pytest.raises(StudyError, match=r"brain\.db: a database, but of no studies"):
        tune(problem(), trials=2, file=file)
    assert file.read_bytes() == before


def test_a_damaged_study_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    tune(problem(), trials=2, file=file)
    whole = file.read_bytes()
    with sqlite3.connect(file) as base:
        base.execute("DROP TABLE trial_params")
    with pytest.raises(StudyError, match=r"study\.db: its study of known is damaged"):
        tune(problem(), trials=4, file=file)
    for damaged in (whole[: len(whole) // 2], whole[:4096] + bytes(len(whole) - 4096)):
        file.write_bytes(damaged)
        with pytest.raises(StudyError, match=r"study\.db: "):
            tune(problem(), trials=4, file=file)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"missing/study\.db: .*unable to open"):
        tune(problem(), trials=2, file=tmp_path / "missing" / "study.db")


def test_an_arm_that_never_learns_is_told_with_its_reason() -> None:
    def refuse(name: str, **params: Any) -> KnownArm:
        return KnownArm(**params, refuse=True)

    one = problem()
    hopeless = Problem("known", refuse, SPACE, one.tasks, one.labels, one.folds)
    with pytest.raises(StudyError, match="no trial of known could be fitted: there is one class"):
        tune(hopeless, trials=3)
