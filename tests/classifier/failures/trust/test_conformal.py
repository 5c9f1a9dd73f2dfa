from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.trust.conformal import ConformalSets

Floats = NDArray[np.float64]


def simulated(n: int, seed: int) -> tuple[Floats, NDArray[np.intp]]:
    """Tasks of classes 80 / 15 / 5 %, and a model that is often wrong about the rare ones."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=(0.8, 0.15, 0.05))
    margins = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[y] + np.array([1.5, 0.0, -1.0])
    p = np.exp(margins)
    return p / p.sum(axis=1, keepdims=True), y


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_the_promised_share_is_covered_class_by_class(alpha: float) -> None:
    covered: list[list[float]] = [[], [], []]
    for seed in range(60):
        sets = ConformalSets.fit(*simulated(600, seed), alpha)
        p, y = simulated(600, 1000 + seed)
        for c in range(3):
            held = [c in found for found, right in zip(sets.sets(p), y, strict=True) if right == c]
            covered[c].append(float(np.mean(held)))
    for shares in covered:
        error = np.std(shares) / np.sqrt(len(shares))
        assert np.mean(shares) > 1 - alpha - 3 * error


def test_the_promised_share_of_all_is_covered_and_little_more() -> None:
    shares = []
    for seed in range(60):
        sets = ConformalSets.fit(*simulated(300, seed), 0.3, per_class=False)
        p, y = simulated(300, 1000 + seed)
        inside = p[np.arange(len(y)), y] >= sets.thresholds[0]
        shares.append(float(np.mean(inside)))
    assert 0.68 < np.mean(shares) < 0.73


def test_the_likeliest_class_is_always_first_and_never_left_out() -> None:
    p, y = simulated(500, 0)
    sets = ConformalSets.fit(p, y, 0.9).sets(p)
    assert [found[0] for found in sets] == p.argmax(axis=1).tolist()


def test_the_surer_the_model_the_smaller_the_sets() -> None:
    p, y = simulated(2000, 0)
    sure = p[np.arange(len(y)), y] > 0.5  # a model that is right about all it was asked
    few = ConformalSets.fit(p[sure], y[sure]).sets(p[sure])
    many = ConformalSets.fit(p, y).sets(p)
    assert np.mean([len(found) for found in few]) < np.mean([len(found) for found in many])


def test_a_class_of_too_few_tasks_is_in_every_set() -> None:
    p = np.tile([0.9, 0.1], (30, 1))
    y = np.array([0] * 22 + [1] * 8)
    assert ConformalSets.fit(p, y, 0.1).sets(p[:1]) == [(0, 1)]
    y = np.array([0] * 30)
    assert ConformalSets.fit(p, y, 0.1).sets(p[:1]) == [(0, 1)]


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 5), st.floats(0.01, 0.99), st.integers(0, 99))
def test_any_shape_and_kept_as_json(n: int, classes: int, alpha: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), size=n)
    sets = ConformalSets.fit(p, rng.integers(classes, size=n), alpha)
    back = ConformalSets.from_dict(json.loads(json.dumps(sets.to_dict())))
    assert back == sets
    assert all(1 <= len(found) <= classes for found in back.sets(p))


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan")])
def test_alpha_is_a_share(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        ConformalSets.fit(*simulated(20, 0), alpha)


@pytest.mark.parametrize(
    "document", [{}, {"alpha": 0.1, "thresholds": [2.0]}, {"alpha": 0.1, "thresholds": None}]
)
def test_a_damaged_one_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ArtifactError, match="damaged"):
        ConformalSets.from_dict(document)
