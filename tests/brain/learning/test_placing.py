"""Errors of a score, window by window: their mean is 1 - AUROC, their spread is honest."""

from __future__ import annotations

import numpy as np
import pytest

from jobmend.brain.learning.traces.injecting import HARMS
from jobmend.brain.learning.traces.placing import Anomalies, placements
from jobmend.classifier.paired import better


def test_placements_are_what_the_area_under_the_curve_leaves() -> None:
    rng = np.random.default_rng(0)
    usual, odd = rng.normal(0, 1, 50), rng.normal(1, 1, 70)
    auroc = (odd[:, None] > usual).mean()
    found = placements(usual, {"a": Anomalies(odd)})
    assert found.mean() == pytest.approx(1 - auroc) and 0 <= found.min() <= found.max() <= 1
    scaled = placements(1000 + 3 * usual, {"a": Anomalies(1000 + 3 * odd)})
    assert np.allclose(scaled, found)


def test_kinds_count_alike_and_ties_by_half() -> None:
    usual = np.array([0.0, 1.0, np.nan])
    found = placements(
        usual, {"many": Anomalies(np.full(100, 2.0)), "few": Anomalies(np.array([0.0]))}
    )
    assert found[:2].tolist() == [0.25, 0.5] and np.isnan(found[2])
    nothing = placements(usual, {"a": Anomalies(np.array([np.nan])), "b": Anomalies(np.array([]))})
    assert np.isnan(nothing).all()


def test_the_spread_is_that_of_delong() -> None:
    rng = np.random.default_rng(0)
    usual, odd = rng.normal(0, 1, 300), rng.normal(1, 1, 300)
    found = placements(usual, {"a": Anomalies(odd, np.arange(300))})
    higher = odd[:, None] > usual
    assert found.mean() == pytest.approx(1 - higher.mean())
    delong = higher.mean(axis=0).var(ddof=1) / 300 + higher.mean(axis=1).var(ddof=1) / 300
    assert found.var(ddof=1) / 300 == pytest.approx(delong, rel=0.1)
    assert placements(usual, {"a": Anomalies(odd)}).var(ddof=1) / 300 < 0.7 * delong


def test_of_equal_models_chance_wins_as_often_as_it_may() -> None:
    """Two models that see what is there with noise of their own; five of a hundred would win."""
    rng, times, groups = np.random.default_rng(0), 300, [f"run {n}" for n in range(60)]
    honest, forgetful = 0, 0
    for seed in range(times):
        truth, harm = rng.normal(0, 1, 60), rng.uniform(0.1, 4, 60)
        kinds = rng.integers(len(HARMS), size=60)
        losses, of_healthy = [], []
        for _ in range(2):
            usual = truth + rng.normal(0, 1, 60)
            odd = usual + harm * np.exp(0.5 * rng.normal(0, 1, 60))
            places = {str(kind): np.flatnonzero(kinds == kind) for kind in range(len(HARMS))}
            losses.append(
                placements(usual, {k: Anomalies(odd[at], at) for k, at in places.items()})
            )
            of_healthy.append(
                placements(usual, {k: Anomalies(odd[at]) for k, at in places.items()})
            )
        honest += better(losses[0], losses[1], groups, 0.0, seed).won
        forgetful += better(of_healthy[0], of_healthy[1], groups, 0.0, seed).won
    assert honest <= 0.08 * times < 0.1 * times <= forgetful
