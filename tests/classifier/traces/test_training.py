"""How networks learn: masks, members, early stopping, devices, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from jobmend.classifier.traces import devices, kinds
from jobmend.classifier.traces.ensemble import AutoEncoder
from jobmend.classifier.traces.network import Architecture, Network
from jobmend.classifier.traces.normalise import Floats, Mask
from jobmend.classifier.traces.training import Part, Plan, train


def drawn(windows: int, threads: int = 2, seed: int = 0) -> tuple[Floats, Mask]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(windows, threads, 8, 3)).astype(np.float32)
    return values, rng.random(values.shape) < 0.9


@pytest.mark.parametrize("name", list(kinds.NETWORKS))
def test_members_learn_together_what_they_learn_alone(name: str) -> None:
    values, mask = drawn(30)
    made: dict[str, Any] = {"options": {"batch": 16, "latent": 4}, "epochs": 3}
    together = kinds.make(name, members=3, seed=5, **made).fit(values, mask)
    for member in range(3):
        alone = kinds.make(name, seed=5 + member, **made).fit(values, mask)
        for key, tensor in alone.tensors().items():
            if key != "window.shape":
                np.testing.assert_allclose(together.tensors()[key][member], tensor[0], atol=2e-4)
    scores = [
        kinds.make(name, seed=5 + member, **made).fit(values, mask).score_samples(values, mask)
        for member in range(3)
    ]
    np.testing.assert_allclose(
        together.score_samples(values, mask), np.mean(scores, axis=0), rtol=1e-2
    )


def test_the_same_seed_learns_the_same() -> None:
    first, second = (AutoEncoder(epochs=3, graph=True).fit(*drawn(20)).tensors() for _ in range(2))
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, second[name])


@pytest.mark.parametrize("name", list(kinds.NETWORKS))
def test_what_was_not_measured_is_not_learned(name: str) -> None:
    values, mask = drawn(20)
    mask[3, 1] = False
    wild = np.where(mask, values, np.float32(17.0))
    usual, other = (
        kinds.make(name, epochs=2).fit(given, mask, validation=(given, mask)).tensors()
        for given in (values, wild)
    )
    for key, tensor in usual.items():
        np.testing.assert_array_equal(tensor, other[key])


def test_it_stops_when_nothing_gets_better_and_tells_how_far_it_is() -> None:
    told: list[tuple[int, int, float]] = []
    values, mask = drawn(40, seed=1)
    held = drawn(40, seed=2)
    model = AutoEncoder(epochs=500, patience=3, hidden=32)
    model.fit(values, mask, validation=held, progress=lambda *epoch: told.append(epoch))
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert {most for _, most, _ in told} == {500}
    errors = [error for _, _, error in told]
    assert len(told) == int(np.argmin(errors)) + 1 + 3 < 500
    scores = model.score_samples(*held)
    measured = held[1].sum(axis=(2, 3))
    assert (scores * measured).sum() / measured.sum() == pytest.approx(min(errors), rel=1e-4)


def test_a_part_without_validation_is_its_own() -> None:
    nobody = drawn(5)[0], np.zeros((5, 2, 8, 3), dtype=bool)
    model = AutoEncoder(epochs=30).fit(*drawn(20), validation=nobody)
    before = AutoEncoder(epochs=0).fit(*drawn(20))
    values, mask = drawn(20)
    assert model.score_samples(values, mask).mean() < before.score_samples(values, mask).mean()


def test_uncertainty_is_the_spread_of_members_and_draws() -> None:
    values, mask = drawn(20)
    mask[0, 0] = False
    with pytest.raises(ValueError, match="use more members"):
        AutoEncoder(epochs=1).fit(values, mask).uncertainty(values, mask)
    several: list[dict[str, Any]] = [{"members": 4}, {"variational": True}]
    for made in several:
        model = AutoEncoder(epochs=2, **made).fit(values, mask)
        spread = model.uncertainty(values, mask)
        assert np.isnan(spread[0, 0])
        assert (np.delete(spread.ravel(), 0) > 0).all()
        np.testing.assert_array_equal(spread, model.uncertainty(values, mask))


def test_validation_of_another_shape_is_refused() -> None:
    values, mask = drawn(20)
    with pytest.raises(ValueError, match="the model reads 8 and 3"):
        AutoEncoder(epochs=1).fit(values, mask, validation=(values[:, :, :4], mask[:, :, :4]))


# ---- devices -----------------------------------------------------------------------------------


def test_the_device_is_the_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose("auto").type == "cpu"
    assert devices.choose("meta").type == "meta"
    with pytest.raises(ValueError, match="there is no GPU here; say auto or cpu"):
        devices.choose("cuda")
    with pytest.raises(ValueError, match="'abacus' is no device"):
        devices.choose("abacus")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.choose("auto").type == "cuda"
    assert devices.choose("cpu").type == "cpu"


def test_batches_fit_the_memory() -> None:
    assert devices.fitting(128, 1000, 10**9) == 128
    assert devices.fitting(128, 1000, 130_000) == 64
    assert devices.fitting(1, 1000, 2000) == 1
    with pytest.raises(ValueError, match="one window takes 1000 bytes"):
        devices.fitting(4, 1000, 1999)
    assert devices.free_bytes(torch.device("cpu")) > 1 << 20


def test_a_batch_too_large_for_the_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    network, part = Network(Architecture(8, 3)), Part.of(*drawn(16, threads=1))
    each = 4 * network.floats_each(1)
    sizes: list[int] = []
    taken = Part.at

    def counted(self: Part, indices: torch.Tensor, device: torch.device) -> Part:
        sizes.append(indices.shape[1])
        return taken(self, indices, device)

    monkeypatch.setattr(Part, "at", counted)
    monkeypatch.setattr(devices, "free_bytes", lambda device: 8 * each)
    train(network, part, part, Plan(seeds=(0,), epochs=1, batch=16))
    assert sizes[:4] == [4] * 4
    monkeypatch.setattr(devices, "free_bytes", lambda device: each)
    with pytest.raises(ValueError, match="fewer members"):
        train(network, part, part, Plan(seeds=(0,), epochs=1, batch=16))
