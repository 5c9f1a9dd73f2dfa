"""Scores against values worked out by hand, and their behaviour at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.classifier.failures.evaluation.scores import (
    FLOOR,
    PER_CLASS,
    SUMMARY,
    Said,
    align,
    calibration_error,
    closeness,
    coverage,
    score,
)

CLASSES = ("acdc", "clone", "hold")


def said(labels: list[int], rows: list[list[float]]) -> Said:
    return Said(np.array(labels, dtype=np.intp), np.array(rows, dtype=np.float64))


def test_figures_worked_out_by_hand() -> None:
    scores = score(
        said([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]), ("acdc", "other")
    )
    assert scores.tasks == 4
    assert scores.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.7]).mean())
    assert scores.brier == pytest.approx(2 * np.mean([0.01, 0.36, 0.04, 0.09]))
    assert scores.of_class["acdc"].recall == pytest.approx(0.5)
    assert scores.of_class["acdc"].precision == pytest.approx(1.0)
    assert scores.of_class["other"].recall == pytest.approx(1.0)
    assert scores.of_class["other"].precision == pytest.approx(2 / 3)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert scores.geometric_mean == pytest.approx(math.sqrt(0.5))
    assert scores.of_class["other"].roc_auc == pytest.approx(1.0)
    assert scores.roc_auc == pytest.approx(1.0)
    assert scores.auprc == pytest.approx(1.0)
    assert math.isnan(scores.ks)
    assert math.isnan(scores.closeness)


def test_a_class_that_nobody_held_out_is_nan_and_in_no_mean() -> None:
    scores = score(said([0, 1], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), CLASSES)
    absent = scores.of_class["hold"]
    assert absent.tasks == 0
    assert math.isnan(absent.recall) and math.isnan(absent.roc_auc) and math.isnan(absent.auprc)
    assert absent.ece == pytest.approx(0.1)
    assert scores.roc_auc == scores.macro_f1 == scores.geometric_mean == 1.0


def test_one_class_alone_can_be_scored() -> None:
    scores = score(said([0, 0], [[1.0], [1.0]]), ("acdc",))
    assert scores.log_loss == 0.0
    assert scores.brier == 0.0
    assert math.isnan(scores.roc_auc)


def test_what_never_was_said_has_no_precision_but_counts_against_f1() -> None:
    scores = score(said([0, 0, 1], [[0.9, 0.1]] * 3), ("acdc", "clone"))
    assert math.isnan(scores.of_class["clone"].precision)
    assert scores.of_class["clone"].recall == 0.0
    assert scores.macro_f1 == pytest.approx(0.8 / 2)
    assert scores.geometric_mean == 0.0


def test_the_calibration_error_of_one_constant_is_its_distance_from_the_share() -> None:
    happened = np.array([True] * 88 + [False] * 12)
    assert calibration_error(happened, np.full(100, 0.9)) == pytest.approx(0.02)


def test_the_calibration_error_sees_what_means_hide() -> None:
    happened = np.array([True] * 50 + [False] * 50)
    given = np.array([0.2] * 50 + [0.8] * 50)
    assert calibration_error(happened, given) == pytest.approx(0.8)


def test_calibrated_probabilities_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    given = rng.beta(0.5, 2.0, size=20_000)
    assert calibration_error(rng.random(20_000) < given, given) < 0.01


def test_coverage_answers_the_surest_and_equals_together() -> None:
    rows = [[0.99, 0.01], [0.9, 0.1], [0.8, 0.2], [0.8, 0.2]]
    assert coverage(said([0, 0, 0, 1], rows), 0.9) == 0.5
    assert coverage(said([0, 0, 0, 1], rows), 0.75) == 1.0
    assert coverage(said([1, 1, 1, 1], rows), 0.9) == 0.0


def test_closeness_is_one_at_the_posterior_and_nought_at_the_baseline() -> None:
    rng = np.random.default_rng(2)
    posterior = rng.dirichlet((3.0, 1.0, 0.5), size=3000)
    labels = np.array([rng.choice(3, p=row) for row in posterior], dtype=np.intp)
    shares = np.bincount(labels) / len(labels)
    best = score(Said(labels, posterior), CLASSES, baseline=shares, best=posterior)
    assert best.closeness == pytest.approx(1.0)
    base = Said(labels, np.tile(shares, (3000, 1)))
    assert score(base, CLASSES, baseline=shares, best=posterior).closeness == pytest.approx(0.0)
    halfway = (posterior + shares) / 2
    between = score(Said(labels, halfway), CLASSES, baseline=shares, best=posterior).closeness
    assert 0.0 < between < 1.0


def test_closeness_without_a_way_to_go_is_nan() -> None:
    assert math.isnan(closeness(0.5, 0.5, 0.5))
    assert math.isnan(closeness(0.5, 0.4, 0.5))


def test_learning_by_heart_shows_in_ks() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 400)
    by_heart = Said(labels, np.eye(2)[labels] * 0.9 + 0.05)
    guessed = rng.dirichlet((1.0, 1.0), size=400)
    scores = score(Said(labels, guessed), ("a", "b"), learned=by_heart)
    assert scores.ks > 0.5
    assert scores.of_class["a"].ks > 0.5
    same = Said(rng.integers(0, 2, 400), rng.dirichlet((1.0, 1.0), size=400))
    assert score(Said(labels, guessed), ("a", "b"), learned=same).ks < 0.15


def test_columns_are_put_in_order_and_what_was_never_seen_gets_the_floor() -> None:
    table = align(np.array([[0.25, 0.75]]), ("hold", "acdc"), CLASSES)
    assert table[0] == pytest.approx([0.75, FLOOR, 0.25], rel=1e-5)
    assert table.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "rows", [[[0.5, math.nan]], [[1.5, -0.5]], [[0.9, 0.9]], [[1.0]], [[math.inf, 0.0]], []]
)
def test_what_is_no_probability_is_refused(rows: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no probabilities of 2 classes"):
        align(np.array(rows), ("a", "b"), ("a", "b"))


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_probabilities_can_be_scored(classes: int, tasks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = tuple("abcde"[:classes])
    rows = align(rng.dirichlet(np.full(classes, 0.3), size=tasks), words, words)
    one = Said(rng.integers(0, classes, tasks), rows)
    scores = score(one, words, learned=one, baseline=np.full(classes, 1 / classes), best=rows)
    assert scores.log_loss >= 0.0
    assert scores.ks == 0.0
    bounded = [getattr(scores, name) for name in SUMMARY if name not in ("log_loss", "closeness")]
    bounded += [getattr(of, name) for of in scores.of_class.values() for name in PER_CLASS]
    assert all(math.isnan(value) or -1e-9 <= value <= 2.0 for value in bounded)
