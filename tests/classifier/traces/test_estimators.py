"""What every window model promises: shapes, masks, odd input, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.ensemble import IsolationForest as Forest

from jobmend.classifier.traces import kinds
from jobmend.classifier.traces.ensemble import AutoEncoder
from jobmend.classifier.traces.estimator import Estimator, UnfittedError, mean_errors, measured
from jobmend.classifier.traces.forest import IsolationForest
from jobmend.classifier.traces.normalise import LARGEST, Floats, Mask
from jobmend.classifier.traces.simple import KMeans, PrincipalComponents

STEPS, FEATURES = 6, 3  # no multiple of 4: the convolution fills up


def drawn(windows: int, threads: int, seed: int = 0) -> tuple[Floats, Mask]:
    """Waves with noise, all measured."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6.3, (windows, threads, 1, 1))
    wave = np.sin(phase + np.arange(STEPS)[:, None] + np.arange(FEATURES))
    values = (wave + rng.normal(0, 0.1, wave.shape)).astype(np.float32)
    return values, np.ones(values.shape, dtype=bool)


@pytest.fixture(scope="module", params=kinds.NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str) -> Estimator:
    return kinds.make(name, epochs=20).fit(*drawn(40, 3), validation=drawn(8, 3, seed=1))


# ---- the contract ------------------------------------------------------------------------------


def test_the_strange_scores_higher(model: Estimator) -> None:
    values, mask = drawn(50, 3, seed=2)
    strange = np.random.default_rng(3).normal(0, 2, values.shape).astype(np.float32)
    usual, odd = model.score_samples(values, mask), model.score_samples(strange, mask)
    assert usual.shape == (50, 3)
    assert usual.dtype == np.float64
    assert np.median(odd) > np.quantile(usual, 0.9)


def test_a_score_is_the_mean_of_its_errors(model: Estimator) -> None:
    values, mask = drawn(5, 3, seed=4)
    mask[0, 0, 2:] = False
    mask[1] = False
    if not model.explains:
        with pytest.raises(ValueError, match="does not tell which"):
            model.errors(values, mask)
        return
    errors = model.errors(values, mask)
    assert errors.shape == values.shape
    assert (errors[~mask] == 0).all()
    np.testing.assert_allclose(mean_errors(errors, mask), model.score_samples(values, mask))


def test_what_was_not_measured_changes_nothing(model: Estimator) -> None:
    values, mask = drawn(4, 3, seed=5)
    mask[0, 0, :, 1] = False  # a missing feature
    mask[1, 2] = False  # a thread of nobody
    scores, codes = model.score_samples(values, mask), model.embed(values, mask)
    wild = np.where(mask, values, np.float32(np.nan))
    wild[1, 2] = np.inf
    np.testing.assert_array_equal(model.score_samples(wild, mask), scores)
    everything = np.ones_like(mask)
    np.testing.assert_array_equal(model.score_samples(wild, everything), scores)
    assert np.isnan(scores).sum() == 1
    assert np.isnan(scores[1, 2])
    assert np.isnan(codes).all(axis=2).sum() == 1
    assert np.isfinite(codes).sum() == 11 * codes.shape[2]


@pytest.mark.parametrize("threads", [1, 2, 512])
def test_nodes_of_any_width_are_scored(model: Estimator, threads: int) -> None:
    values, mask = drawn(2, threads, seed=6)
    scores = model.score_samples(values, mask)
    assert scores.shape == (2, threads)
    assert np.isfinite(scores).all()
    assert model.embed(values, mask).shape[:2] == (2, threads)


def test_no_window_no_score(model: Estimator) -> None:
    values, mask = drawn(0, 3)
    assert model.score_samples(values, mask).shape == (0, 3)
    nobody = np.zeros((2, 3, STEPS, FEATURES), dtype=bool)
    assert np.isnan(model.score_samples(drawn(2, 3)[0], nobody)).all()
    assert np.isnan(model.embed(drawn(2, 3)[0], nobody)).all()


def test_windows_of_another_shape_are_refused(model: Estimator) -> None:
    values, mask = drawn(2, 3)
    with pytest.raises(ValueError, match="5 steps and 3 features: the model reads 6 and 3"):
        model.score_samples(values[:, :, :5], mask[:, :, :5])
    with pytest.raises(ValueError, match=r"\[windows, threads, steps, features\]"):
        model.score_samples(values[0], mask[0])
    with pytest.raises(ValueError, match="a mask of shape"):
        model.score_samples(values, mask[:1])
    with pytest.raises(ValueError, match="of type|and type"):
        model.score_samples(values, mask.astype(np.float32))
    with pytest.raises(ValueError, match="type <U3|type object|type"):
        model.score_samples(values.astype(str).astype(object), mask)


def test_it_comes_back_from_its_parameters_and_tensors(name: str, model: Estimator) -> None:
    values, mask = drawn(3, 3, seed=7)
    again = kinds.read(name, model.get_params(), model.tensors())
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(
        again.score_samples(values, mask), model.score_samples(values, mask)
    )
    np.testing.assert_array_equal(again.embed(values, mask), model.embed(values, mask))


def test_tensors_that_do_not_fit_are_refused(name: str, model: Estimator) -> None:
    tensors = dict(model.tensors())
    for broken in (
        {**tensors, "window.shape": np.array([STEPS + 4, FEATURES])},
        {key: tensor[..., :1] for key, tensor in tensors.items()},
    ):
        with pytest.raises((ValueError, KeyError)):
            read(name, model.get_params(), broken)


def read(name: str, params: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    again = kinds.read(name, params, tensors)
    if name == "isolation-forest":  # its nodes fit windows of any more numbers
        again.score_samples(*drawn(1, 1))


def test_unfitted_models_say_so(name: str) -> None:
    fresh = kinds.make(name)
    for ask in (fresh.score_samples, fresh.embed):
        with pytest.raises(UnfittedError, match=r"call fit\(\) or load\(\) first"):
            ask(*drawn(1, 1))
    with pytest.raises(UnfittedError):
        fresh.tensors()


def test_nothing_to_learn_from_is_refused(name: str) -> None:
    values, mask = drawn(2, 2)
    with pytest.raises(ValueError, match="nothing to learn from"):
        kinds.make(name).fit(values, np.zeros_like(mask))


@pytest.mark.parametrize(
    ("windows", "level"), [(1, 0.0), (4, 0.0), (4, LARGEST), (4, float("inf"))]
)
def test_constant_windows_are_learned(name: str, windows: int, level: float) -> None:
    values, mask = drawn(windows, 2)
    values[:] = 1.0
    values[:, :, :, 1] = level  # constant, at the bound, or never measured
    fitted = kinds.make(name, epochs=2).fit(values, mask)
    assert np.isfinite(fitted.score_samples(values, mask)).all()


def test_parameters_that_make_no_model_are_refused() -> None:
    with pytest.raises(ValueError, match="'magic' is no trace model; there are autoencoder"):
        kinds.make("magic")
    with pytest.raises(ValueError, match="pca does not know the options depth"):
        kinds.make("pca", options={"depth": 3})
    with pytest.raises(ValueError, match="no multiple of heads"):
        kinds.make("conv-graph", options={"latent": 6})
    with pytest.raises(ValueError, match="at least 1"):
        kinds.make("autoencoder", members=0)
    with pytest.raises(ValueError, match="'cubic' is no coder; there are dense, conv"):
        AutoEncoder(coder="cubic")


# ---- hostile numbers ---------------------------------------------------------------------------

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.just(STEPS), st.just(FEATURES))
ANY_FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_numbers_get_a_score_or_none(model: Estimator, data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    values = data.draw(arrays.arrays(np.float32, shape, elements=ANY_FLOATS))
    mask = data.draw(arrays.arrays(np.bool_, shape))
    there = (mask & np.isfinite(values)).any(axis=(2, 3))
    scores = model.score_samples(values, mask)
    np.testing.assert_array_equal(np.isfinite(scores), there)
    assert (scores[there] >= 0).all()
    np.testing.assert_array_equal(np.isfinite(model.embed(values, mask)).all(axis=2), there)


@given(arrays.arrays(np.float32, (2, 1, 2, 2), elements=ANY_FLOATS))
def test_numbers_are_bounded_and_kept_apart_from_what_is_none(values: Floats) -> None:
    bounded, mask = measured(values, np.ones_like(values, dtype=bool))
    assert np.abs(bounded).max() <= LARGEST
    np.testing.assert_array_equal(mask, np.isfinite(values))
    assert (bounded[~mask] == 0).all()


# ---- the simple ones ---------------------------------------------------------------------------


def test_principal_components_bring_back_what_lies_in_their_plane() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 30))
    values = (rng.normal(size=(100, 2)) @ plane).astype(np.float32).reshape(50, 2, 10, 3)
    mask = np.ones(values.shape, dtype=bool)
    model = PrincipalComponents(explained=0.999).fit(values, mask)
    assert model.tensors()["components"].shape == (2, 30)
    np.testing.assert_allclose(model.score_samples(values, mask), 0, atol=1e-6)


def test_k_means_counts_only_what_was_measured() -> None:
    values = np.zeros((4, 1, 1, 2), np.float32)
    values[2:] = 10.0
    mask = np.ones(values.shape, dtype=bool)
    model = KMeans(clusters=2).fit(values, mask)
    asked, kept = np.array([[[[10.0, -3.0]]]], np.float32), np.array([[[[True, False]]]])
    assert model.score_samples(asked, kept) == pytest.approx(0.0)
    assert model.score_samples(asked, ~kept) == pytest.approx(9.0)


@pytest.mark.parametrize("windows", [1, 2, 30, 200])
def test_the_forest_scores_as_scikit_learn_does(windows: int) -> None:
    values, mask = drawn(windows, 2)
    rows = values.reshape(-1, STEPS * FEATURES)
    peer = Forest(n_estimators=100, random_state=3).fit(rows)
    ours = IsolationForest(seed=3).fit(values, mask).score_samples(values, mask)
    np.testing.assert_allclose(ours.ravel(), -peer.score_samples(rows), rtol=1e-12)


def test_a_forest_that_leads_in_circles_is_refused() -> None:
    values, mask = drawn(30, 2)
    model = IsolationForest().fit(values, mask)
    for name, bad in (("left", 0), ("right", 10**9), ("feature", STEPS * FEATURES), ("root", -1)):
        tensors = {key: tensor.copy() for key, tensor in model.tensors().items()}
        tensors[name][:] = bad
        with pytest.raises(ValueError, match="forest"):
            IsolationForest.from_tensors(model.get_params(), tensors)
