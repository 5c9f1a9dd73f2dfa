"""The whole report, out of a trained classifier: after a training, and of a saved model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from jobmend.classifier.failures.evaluation.learning_curve import LearningCurve
from jobmend.classifier.failures.evaluation.scores import Posterior
from jobmend.classifier.failures.evaluation.tuning import Tuned
from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.reporting import plots_style
from jobmend.classifier.failures.reporting.assembly import Extras, report_of
from jobmend.classifier.failures.reporting.report import build
from jobmend.classifier.failures.reporting.scores import arms_section
from jobmend.classifier.failures.synthetic.tasks import SyntheticHistory, generate
from jobmend.classifier.failures.task import Decision, FailedTask, History

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>$\\frac$\x1b]0;"
PLOTS = {
    "arms.png",
    "roc.png",
    "confusion.png",
    "over-training.png",
    "calibration.png",
    "coverage.png",
    "contributions-1.png",
    "contributions-2.png",
    "partial-dependence.png",
}


@pytest.fixture(autouse=True, scope="module")
def coarse() -> Iterator[None]:
    """Fewer pixels, which take less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots_style, "FILE_DPI", 40)
        yield


def hostile(task: FailedTask) -> FailedTask:
    """The same with names that a stranger chose."""
    cells = {
        cell._replace(site=cell.site + HOSTILE, code=cell.code + "</td>"): count
        for cell, count in task.cells.items()
    }
    assert task.decision is not None
    action = {"clone": "</script>" + HOSTILE}.get(task.decision.action, task.decision.action)
    return replace(task, cells=cells, decision=replace(task.decision, action=action))


@pytest.fixture(scope="module")
def generated() -> SyntheticHistory:
    return generate(260, seed=3)


@pytest.fixture(scope="module")
def history(generated: SyntheticHistory) -> History:
    tasks = [hostile(task) for task in generated.history.tasks]
    return replace(generated.history, tasks=tasks, origin=HOSTILE)


@pytest.fixture(scope="module")
def model(history: History) -> FailureClassifier:
    return FailureClassifier(arms=("majority", "xgboost"), threads=1).fit(history)


def test_after_a_training_all_sections_and_plots_are_there_and_nothing_is_markup(
    model: FailureClassifier, history: History, generated: SyntheticHistory
) -> None:
    names = {"clone": "</script>" + HOSTILE}
    classes = tuple(names.get(word, word) for word in generated.classes)
    posterior = Posterior(generated.posterior, classes)
    curve = LearningCurve((10, 100), np.ones((2, 2)), np.ones((2, 2)), "xgboost")
    tuned = Tuned(
        {"depth": 4},
        0.2,
        np.array([0.3, np.inf, 0.2]),
        np.array([False, True, False]),
        {"depth": 1.0},
        optuna.create_study(),
    )
    extras = Extras(curve=curve, tuned=tuned, posterior=posterior, command="jobmend learn")
    report = report_of(model, history, extras, now=NOW)
    anchors = [section.anchor for section in report.sections]
    assert anchors == ["data", "arms", "champion", "trust", "looks", "tuning", "making"]
    more = {"learning-curve.png", "convergence.png", "importance.png"}
    assert set(report.pictures) == PLOTS | more
    best = float(report.sections[1].paragraphs[1].split()[-2])
    losses = [arm.log_loss for arm in model.comparison_.ranking]
    assert 0.0 < best < losses[-1] + 1e-4  # the majority at the latest
    assert 0.0 < float(str(report.sections[3].facts["of them novel"]).split("%")[0]) < 20.0
    page = build(report).decode()
    assert "<img src=x" not in page and "</script>" not in page and "\x1b" not in page
    assert "&lt;img src=x" in page
    assert model.about_.champion in page and "2026-01-02 03:04 UTC" in page
    assert "generated history" in page


def test_a_saved_model_is_judged_on_the_history_that_is_given(
    model: FailureClassifier, history: History, tmp_path: Path
) -> None:
    model.save(tmp_path)
    loaded = FailureClassifier.load(tmp_path)
    strange = [
        replace(history.tasks[0], decision=Decision("never seen")),
        replace(history.tasks[1], decision=None),
        replace(history.tasks[2], cells={}),
    ]
    fewer = replace(history, tasks=[*history.tasks[:60], *strange], synthetic=False)
    report = report_of(loaded, fewer, now=NOW)
    facts = report.sections[0].facts
    assert facts["tasks"] == 60
    assert str(facts["left out"]).startswith("3 ")
    assert report.synthetic  # the model learned from synthetic tasks
    assert "over-training.png" not in report.pictures
    assert any("saved model" in sentence for sentence in report.verdict)
    assert report.sections[1].tables  # the arms' table is kept with the model


def test_a_history_without_known_decisions_is_refused(
    model: FailureClassifier, history: History
) -> None:
    undecided = [replace(task, decision=None) for task in history.tasks]
    with pytest.raises(ValueError, match="no task has a failure and an action") as caught:
        report_of(model, replace(history, tasks=undecided), now=NOW)
    assert "\x1b" not in str(caught.value)


def test_arms_that_could_not_learn_are_told_with_their_reason() -> None:
    rows: list[dict[str, Any]] = [
        {"arm": "a", "log_loss": [0.3, None, None], "to_champion": [0.0, 0.0, 0.0]},
        {"arm": "b", "log_loss": [0.4, None, None], "to_champion": [0.1, -0.1, 0.3]},
        {"arm": "c", "failure": "fold 1: one class only"},
    ]
    section = arms_section(rows, "a", "The champion is a.", synthetic=True)
    assert [row[0] for row in section.tables[0].rows] == ["a", "b"]
    assert section.tables[0].strong == {0}
    assert section.tables[1].rows == [["c", "fold 1: one class only"]]
    nothing = arms_section(rows[2:], "", "None could learn.", synthetic=True)
    assert nothing.pictures == []
