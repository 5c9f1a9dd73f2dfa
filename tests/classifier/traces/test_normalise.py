"""Scaling of features."""

from __future__ import annotations

import numpy as np
import pytest

from jobmend.classifier.traces.normalise import LARGEST, Scaling


def test_scaling_is_robust_and_keeps_what_was_not_measured_apart() -> None:
    values = np.array([[[0.1, np.nan], [0.2, np.nan], [0.3, np.nan], [9.0, np.nan]]], np.float32)
    scaling = Scaling.learn(values)
    assert scaling.median.tolist() == pytest.approx([0.25, 0.0])
    scaled, mask = scaling.apply(values)
    assert mask[0, :, 0].all()
    assert not mask[0, :, 1].any()
    assert (scaled[0, :, 1] == 0).all()
    assert np.abs(scaled).max() <= LARGEST
    wild, wild_mask = scaling.apply(np.array([[[np.inf, 0.0], [1e30, 0.0]]], np.float32))
    assert wild[0, :, 0].tolist() == [0.0, LARGEST]
    assert wild_mask[0, :, 0].tolist() == [False, True]


def test_a_feature_that_was_never_measured_has_no_say_later() -> None:
    scaling = Scaling.learn(np.array([[[0.1, np.nan], [0.3, np.inf]]], np.float32))
    scaled, mask = scaling.apply(np.array([[[0.2, 0.9]]], np.float32))
    assert scaled[0, 0, 1] == 0.0
    assert mask.tolist() == [[[True, False]]]


def test_what_is_infinite_is_not_learned_from() -> None:
    values = np.array([[[0.1], [0.2], [0.3], [np.nan]]], np.float32)
    endless = np.nan_to_num(values, nan=np.inf)
    assert Scaling.learn(endless).median.tolist() == pytest.approx([0.2])
    assert Scaling.learn(endless).scale.tolist() == pytest.approx([0.1])


def test_a_constant_feature_does_not_blow_up() -> None:
    scaling = Scaling.learn(np.zeros((3, 4, 1), np.float32))
    scaled, _ = scaling.apply(np.full((1, 1, 1), 0.01, np.float32))
    assert scaled.item() == pytest.approx(0.5)
