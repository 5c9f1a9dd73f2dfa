"""The scorer tells what the trainer's model does, for every kind of model and layer."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from jobmend.agent.scorer import layers
from jobmend.agent.scorer.attention import attend
from jobmend.classifier.traces import kinds
from jobmend.classifier.traces import layers as trained
from jobmend.classifier.traces.ensemble import AutoEncoder
from jobmend.classifier.traces.estimator import mean_errors, measured
from jobmend.classifier.traces.graph import GraphLayer
from tests.agent.scorer.conftest import drawn, edge, exportable

Arrays = dict[str, np.ndarray[Any, Any]]


def in_torch(model: AutoEncoder, values: Any, mask: Any) -> Any:
    """Scores ``[threads]`` of one window, executed by torch in single precision."""
    assert model.network_ is not None
    weights = {name: torch.from_numpy(array) for name, array in model.weights_.items()}
    x = torch.from_numpy(values.reshape(1, *values.shape[:2], -1)).repeat(model.members, 1, 1, 1)
    there = torch.from_numpy(mask.any(axis=(2, 3)))[None].repeat(model.members, 1, 1)
    codes, _ = model.network_.encode(weights, x)
    out = model.network_.decode(weights, model.network_.mix(weights, codes, there))
    error = out.numpy().reshape(len(out), *values.shape) - values
    return mean_errors(np.square(error, dtype=np.float64).mean(axis=0) * mask, mask)[0]


@pytest.mark.parametrize("threads", [1, 3, 128, 512])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in kinds.NETWORKS),
        ("autoencoder", {"members": 3}),
        ("conv-graph", {"members": 2, "steps": 7}),
        ("variational", {"steps": 2}),
    ],
)
def test_networks_score_as_torch_does(name: str, options: dict[str, Any], threads: int) -> None:
    model = exportable(name, **options)
    window = drawn(1, threads, model.length.steps, seed=threads)
    window[0, 0, 0, 0] = 0.5  # one thread at least is measured
    scaled, mask = measured(*model.scaling.apply(window))
    assert isinstance(model.estimator, AutoEncoder)
    wanted = in_torch(model.estimator, scaled, mask)
    np.testing.assert_allclose(edge(model).score(window[0]), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", kinds.NAMES)
def test_all_kinds_score_as_the_trainer_does(name: str) -> None:
    model = exportable(name)
    here = edge(model)
    for seed in range(3):
        window = drawn(1, 9, seed=seed)
        wanted = model.estimator.score_samples(*model.scaling.apply(window))[0]
        np.testing.assert_allclose(here.score(window[0]), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", kinds.NAMES)
def test_odd_windows_score_as_the_trainer_has_them(name: str) -> None:
    model = exportable(name)
    window = drawn(1, 9, seed=7)
    window[:, :, :, 2] = np.nan  # a feature that this kernel does not tell
    window[:, :, :, 3] = 0.25  # one that never moves
    window[:, 3], window[:, 4, 2], window[:, 5, :, 0] = np.nan, np.inf, 1e30
    wanted = model.estimator.score_samples(*model.scaling.apply(window))[0]
    found = edge(model).score(window[0])
    assert np.isnan(found[3]) and np.isfinite(np.delete(found, 3)).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", kinds.NAMES)
def test_a_feature_that_was_never_measured_in_training_has_no_say(name: str) -> None:
    model = exportable(name)
    model.scaling.scale[3] = 0.0
    window = drawn(1, 9, seed=8)
    wanted = model.estimator.score_samples(*model.scaling.apply(window))[0]
    here = edge(model)
    np.testing.assert_allclose(here.score(window[0]), wanted, rtol=1e-5, atol=1e-6)
    window[..., 3] = np.nan
    np.testing.assert_allclose(here.score(window[0]), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", kinds.NAMES)
def test_what_healthy_runs_did_as_well_is_never_odd(name: str) -> None:
    for seed in range(5):
        model, window = exportable(name), drawn(1, 4, seed=seed)
        scores = model.estimator.score_samples(*model.scaling.apply(window))[0]
        same = dataclasses.replace(model, calibrated={"": np.full(99, np.nanmean(scores))})
        assert edge(same).judge(window[0], ["r"] * 4, {})["r"]["p"] == 1.0


def weights(random: np.random.Generator, **shapes: tuple[int, ...]) -> Arrays:
    named = {name.replace("_", "."): shape for name, shape in shapes.items()}
    return {name: random.normal(size=s).astype(np.float32) for name, s in named.items()}


def threads_last(rows: Any) -> Any:
    """The trainer's ``[members, rows, ...]`` as the scorer has them."""
    return np.ascontiguousarray(np.moveaxis(rows, 1, -1))


def rows_of(x: Any) -> Any:
    """And back."""
    return np.moveaxis(x, -1, 1)


def as_torch(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("op", ["linear", "halve", "double"])
def test_each_layer_is_that_of_torch(op: str) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(2, 5, 6, 3)).astype(np.float32)
    shapes = {"linear": (2, 3, 4), "halve": (2, 12, 4), "double": (2, 3, 16)}
    arrays = weights(random, l_weight=shapes[op], l_bias=(2, 1, 4))
    if op == "linear":
        x = x[:, :, 0]
        wanted = trained.linear(as_torch(arrays), "l", torch.from_numpy(x))
    else:
        wanted = getattr(trained, op)(as_torch(arrays), "l", torch.from_numpy(x))
    window = layers.Input(x, np.ones_like(x))
    found = layers.LAYERS[op](threads_last(x), {"name": "l"}, arrays, window)
    np.testing.assert_allclose(rows_of(found), wanted.numpy(), rtol=1e-5, atol=1e-5)


def test_a_convolution_is_the_one_of_the_textbook() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(1, 5, 8, 3)).astype(np.float32)
    arrays = weights(random, l_weight=(1, 12, 4), l_bias=(1, 1, 4))
    kernel = torch.from_numpy(arrays["l.weight"][0].reshape(4, 3, 4)).permute(2, 1, 0)
    wanted = torch.nn.functional.conv1d(
        torch.from_numpy(x[0]).transpose(1, 2), kernel, torch.from_numpy(arrays["l.bias"][0, 0]),
        stride=2, padding=1,
    ).transpose(1, 2)  # fmt: skip
    found = layers.halve(threads_last(x), {"name": "l"}, arrays, layers.Input(x, x))
    np.testing.assert_allclose(rows_of(found)[0], wanted.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 128, 512])
def test_the_graph_layer_is_that_of_torch(threads: int) -> None:
    random = np.random.default_rng(3)
    layer = GraphLayer(latent=8, heads=4)
    arrays: Arrays = {}
    for name, (inputs, outputs, bias) in layer.shapes().items():
        arrays[f"{name}.weight"] = random.normal(size=(2, inputs, outputs)).astype(np.float32) / 3
        if bias:
            arrays[f"{name}.bias"] = random.normal(size=(2, 1, bias)).astype(np.float32)
    z = random.normal(size=(2, threads, 8)).astype(np.float32)
    there = torch.ones(2, 1, threads, dtype=torch.bool)
    wanted = layer.apply(as_torch(arrays), torch.from_numpy(z)[:, None], there)[:, 0]
    found = layers.graph(threads_last(z), {"heads": 4}, arrays, layers.Input(z, z))
    np.testing.assert_allclose(rows_of(found), wanted.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 9, 512])
@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0, 30.0, 1e4])
def test_attention_is_its_definition_however_far_its_logits_lie_apart(
    threads: int, spread: float
) -> None:
    random = np.random.default_rng(threads)
    target, source = (random.normal(size=(3, threads)).astype(np.float32) for _ in range(2))
    target[0], source[0] = source[0, ::-1], -target[0]  # some of them at the corner
    target, source = np.float32(spread) * target, np.float32(spread) * source
    values = random.normal(size=(3, 4, threads)).astype(np.float32)
    logits = target[:, :, None].astype(np.float64) + source[:, None]
    logits = np.maximum(logits, 0.2 * logits)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    wanted = (shares @ values.swapaxes(1, 2)).swapaxes(1, 2)
    found = attend(target, source, values)
    # Logits of 1e4 are known to 5e-4 in single precision, and so are shares of a close race.
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=max(1e-5, 2e-7 * spread))
