from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.evaluation.scores import calibration_error
from jobmend.classifier.failures.trust.calibration import METHODS, Calibration

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]


def honest(n: int, seed: int = 0, bias: tuple[float, ...] = (2.0, 0.0, -1.0)) -> Floats:
    rng = np.random.default_rng(seed)
    return np.asarray(softmax(np.array(bias) + 1.5 * rng.normal(size=(n, len(bias))), axis=1))


def drawn(p: Floats, seed: int = 1) -> Labels:
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(p.shape[1], p=row) for row in p], dtype=np.intp)


def log_loss(p: Floats, y: Labels) -> float:
    return float(-np.log(p[np.arange(len(y)), y]).mean())


def worst_error(p: Floats, y: Labels) -> float:
    return max(calibration_error(y == c, p[:, c]) for c in range(p.shape[1]))


def overconfident(p: Floats) -> Floats:
    return np.asarray(softmax(3.0 * np.log(p), axis=1))


def oversampled(p: Floats) -> Floats:
    return np.asarray(softmax(np.log(p) + [0.0, 2.0, 3.0], axis=1))


def bent(p: Floats) -> Floats:
    told = 0.5 + 0.5 * np.tanh(8 * (p - 0.5)) ** 3
    return np.asarray((told + 0.02) / (told + 0.02).sum(axis=1, keepdims=True))


def test_honest_probabilities_stay_nearly_as_they_are() -> None:
    p = honest(2000)
    calibrated = Calibration.fit(p, drawn(p)).apply(p)
    assert np.abs(calibrated - p).max() < 0.08


def test_a_temperature_is_found() -> None:
    p = honest(2000)
    calibration = Calibration.fit(overconfident(p), drawn(p))
    assert calibration.temperature == pytest.approx(3.0, rel=0.15)


def test_what_oversampling_did_is_undone() -> None:
    p = honest(3000)
    calibration = Calibration.fit(oversampled(p), drawn(p))
    fresh = honest(3000, seed=5)
    calibrated = calibration.apply(oversampled(fresh))
    assert calibration.method in ("offsets", "isotonic")
    assert np.abs(calibrated.mean(axis=0) - fresh.mean(axis=0)).max() < 0.02


@pytest.mark.parametrize("distort", [overconfident, oversampled, bent])
def test_the_calibration_error_falls_below_the_bound(distort) -> None:  # type: ignore[no-untyped-def]
    p, fresh = honest(6000), honest(6000, seed=7)
    y, fresh_y = drawn(p), drawn(fresh, seed=8)
    calibration = Calibration.fit(distort(p), y)
    calibrated = calibration.apply(distort(fresh))
    assert worst_error(distort(fresh), fresh_y) > 0.05
    assert worst_error(calibrated, fresh_y) <= 0.05
    assert log_loss(calibrated, fresh_y) < log_loss(distort(fresh), fresh_y)


def test_a_rare_class_is_never_ruled_out() -> None:
    p = honest(400, bias=(3.0, 0.0, -5.0))
    y = drawn(p)
    y[y == 2] = 0
    calibrated = Calibration.fit(p, y).apply(p)
    assert (calibrated > 0).all()
    assert log_loss(calibrated, np.full(len(p), 2)) < 15


@pytest.mark.parametrize(
    ("p", "y"),
    [
        (np.full((3, 2), 0.5), np.array([0, 1, 1])),  # too few
        (np.ones((50, 1)), np.zeros(50, dtype=int)),  # one class
        (honest(50), np.zeros(50, dtype=int)),  # only one happened
        (np.empty((0, 3)), np.empty(0, dtype=int)),
    ],
)
def test_where_nothing_can_be_learned_nothing_is_changed(p: Floats, y: Labels) -> None:
    assert Calibration.fit(p, y) == Calibration()


@settings(max_examples=12)
@given(st.integers(20, 60), st.integers(2, 5), st.integers(0, 1000), st.booleans())
def test_rows_are_probabilities_whatever_comes(n: int, classes: int, seed: int, hard: bool) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.01 if hard else 1.0), size=n)
    y = rng.integers(classes, size=n)
    calibrated = Calibration.fit(p, y).apply(p)
    assert calibrated.shape == p.shape
    assert (calibrated > 0).all()
    np.testing.assert_allclose(calibrated.sum(axis=1), 1.0)


@pytest.mark.parametrize("distort", [lambda p: p, overconfident, oversampled, bent])
def test_it_is_kept_as_json(distort) -> None:  # type: ignore[no-untyped-def]
    p = honest(1000)
    calibration = Calibration.fit(distort(p), drawn(p))
    back = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert back == calibration
    np.testing.assert_array_equal(back.apply(p), calibration.apply(p))


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Calibration.fit(honest(30), np.full(30, 3))
    with pytest.raises(ValueError, match="do not fit"):
        Calibration.fit(honest(30), np.zeros(29, dtype=int))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"temperature": 0.0},
        {"temperature": "warm"},
        {"offsets": [float("nan")]},
        {"curves": [{"x": [0.0, 1.0], "y": [1.0, 0.0]}]},
        {"curves": [{"x": [0.0], "y": []}]},
        {"curves": None},
    ],
)
def test_a_damaged_one_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ArtifactError, match="calibration: damaged"):
        Calibration.from_dict({**Calibration().to_dict(), **change})


def test_every_method_can_be_chosen() -> None:
    p, chosen = honest(6000), set()
    for distort in (lambda p: p, overconfident, oversampled, bent):
        chosen.add(Calibration.fit(distort(p), drawn(p)).method)
    assert chosen == set(METHODS)
