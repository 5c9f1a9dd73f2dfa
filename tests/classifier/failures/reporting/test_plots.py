"""Plots can be drawn of anything that can be measured, and hostile names change nothing."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jobmend.classifier.failures.evaluation.scores import Said, calibration_error
from jobmend.classifier.failures.reporting import plots, plots_models, plots_style

HOSTILE = r"$\frac{1$ \x \u0000 <script>" + "\x1b[31m\n\u202e_" + "x" * 500


@pytest.fixture(autouse=True, scope="module")
def coarse() -> Iterator[None]:
    """Fewer pixels, which take less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots_style, "FILE_DPI", 40)
        yield


def said(tasks: int, classes: int, seed: int = 0, *, sharp: float = 1.0) -> Said:
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, tasks)
    margins = chance.normal(0, 1, (tasks, classes))
    margins[np.arange(tasks), labels] += sharp
    shares = np.exp(margins)
    return Said(labels, shares / shares.sum(axis=1, keepdims=True))


def drawn(figure: object) -> Image.Image:
    return Image.open(io.BytesIO(plots_style.png(figure)))


@pytest.mark.parametrize("classes", [1, 2, 9])
def test_each_plot_of_predictions_is_drawn_with_hostile_names(classes: int) -> None:
    names = [f"{HOSTILE}{number}"[:90] + str(number) for number in range(classes)]
    folds = [said(40, classes, seed) for seed in range(2)]
    whole = plots.pooled(folds)
    for figure in (
        plots.roc(folds, names, synthetic=True),
        plots.over_training(folds[0], folds[1], names, synthetic=True),
        plots.confusion(whole.labels, whole.answers, names, synthetic=True),
        plots.calibration(whole, names, synthetic=True),
        plots.coverage(whole, synthetic=True, chosen=(0.5, 0.9)),
    ):
        image = drawn(figure)
        assert image.format == "PNG"
        assert image.width == round(plots_style.WIDTH * plots_style.FILE_DPI)


def test_each_plot_of_models_is_drawn_with_hostile_names() -> None:
    chance = np.random.default_rng(0)
    bars = [plots_models.Bar(HOSTILE, 0.3, 0.2, 0.4), plots_models.Bar("b", 0.5, np.nan, np.nan)]
    values = np.array([0.0, 1.0, 100.0])
    panel = plots_models.Dependence(HOSTILE, values, chance.dirichlet([1, 1], 3))
    trials, pruned = np.array([np.nan, 0.4, np.inf, 0.3]), np.array([False, False, True, False])
    curve = np.array([[0.5, np.nan], [0.3, 0.4]])
    weights, counts = chance.normal(size=(30, 3)), chance.poisson(1, (30, 3)).astype(float)
    for figure in (
        plots_models.arms(bars, HOSTILE, synthetic=False, champion=HOSTILE, lines={HOSTILE: 0.1}),
        plots_models.learning_curve([10, 20], curve, curve, HOSTILE, synthetic=True),
        plots_models.partial_dependence([panel], [HOSTILE, "b"], synthetic=True),
        plots_models.contributions(weights, counts, [HOSTILE] * 3, HOSTILE, synthetic=True),
        plots_models.contributions(weights * 0, counts, ["a"] * 3, "a", synthetic=True),
        plots_models.convergence(trials, pruned, HOSTILE, synthetic=True),
        plots_models.importance({HOSTILE: 0.7, "b": 0.3}, synthetic=True),
        plots_models.importance({}, synthetic=True),
    ):
        assert drawn(figure).format == "PNG"


@settings(max_examples=12)
@given(st.text(min_size=1, max_size=60))
def test_any_name_is_drawn_as_it_is_written(name: str) -> None:
    bars = [plots_models.Bar(name, 0.3, 0.2, 0.4)]
    figure = plots_models.arms(bars, "log-loss", synthetic=True, champion="")
    label = figure.axes[0].get_yticklabels()[0].get_text()
    assert label == plots_style.words(name)
    assert drawn(figure).format == "PNG"


def test_a_title_says_synthetic_where_the_data_is() -> None:
    for synthetic in (True, False):
        figure = plots.coverage(said(20, 2), synthetic=synthetic)
        assert ("synthetic" in figure.get_suptitle()) == synthetic


def test_the_same_data_gives_the_same_bytes() -> None:
    one, other = (plots.coverage(said(50, 3), synthetic=True) for _ in range(2))
    assert plots_style.png(one) == plots_style.png(other)


def test_a_class_that_no_task_has_is_left_out() -> None:
    labels = np.array([0, 0, 2, 2, 2])
    assert plots.commonest(labels, ["a", "b", "c"]) == [2, 0]
    assert plots.commonest(labels, ["a", "b", "c"], limit=1) == [2]


@given(st.integers(1, 60), st.integers(2, 4), st.integers(0, 5))
def test_the_distance_from_the_diagonal_is_the_calibration_error(
    tasks: int, classes: int, seed: int
) -> None:
    one = said(tasks, classes, seed)
    given_, so = one.probabilities[:, 0].round(1), one.labels == 0
    mean, share, sizes = plots.reliability(so, given_)
    expected = (np.abs(mean - share) * sizes).sum() / tasks
    assert expected == pytest.approx(calibration_error(so, given_), abs=1e-9)


@given(st.integers(1, 60), st.integers(0, 5))
def test_coverage_ends_with_all_tasks_and_their_share_of_right_answers(
    tasks: int, seed: int
) -> None:
    one = said(tasks, 3, seed)
    share, precision = plots.covered(one)
    assert share[-1] == 1.0
    assert precision[-1] == pytest.approx((one.answers == one.labels).mean())
    assert np.all(np.diff(share) > 0)


def test_drawing_needs_no_pyplot() -> None:
    code = (
        "import sys;"
        "from jobmend.classifier.failures.reporting import plots, plots_models;"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
