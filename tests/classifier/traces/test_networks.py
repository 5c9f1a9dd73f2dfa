"""Networks: numpy as torch, convolutions and attention as their definitions, masks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from jobmend.classifier.traces import attention
from jobmend.classifier.traces.graph import GraphLayer
from jobmend.classifier.traces.layers import double, halve
from jobmend.classifier.traces.network import Architecture, Network
from jobmend.classifier.traces.training import Parameters, initial

ARCHITECTURES = [
    Architecture(10, 3, coder=coder, hidden=8, variational=variational, graph=graph)
    for coder, variational, graph in itertools.product(
        ("dense", "conv"), (False, True), (False, True)
    )
]


def torch_of(*shape: int, seed: int = 0, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- numpy and torch ---------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
@pytest.mark.parametrize("threads", [1, 5, 130])
def test_numpy_and_torch_execute_the_same_network(architecture: Architecture, threads: int) -> None:
    network = Network(architecture)
    weights = initial(network, (1, 2))
    assert {n: tuple(t.shape[1:]) for n, t in weights.items()} == network.tensor_shapes()
    x, there = torch_of(1, 2, threads, 30), torch.ones(1, 2, threads, dtype=torch.bool)
    there[0, 1, threads // 2 + 1 :] = False
    by_torch = run(network, weights, x.expand(2, -1, -1, -1), there.expand(2, -1, -1))
    in_numpy = {name: tensor.numpy() for name, tensor in weights.items()}
    z, _ = network.encode(in_numpy, x.numpy())
    by_numpy = network.decode(in_numpy, network.mix(in_numpy, z, there.numpy()))
    kept = there[0].numpy()
    np.testing.assert_allclose(by_numpy[:, kept], by_torch.numpy()[:, kept], atol=1e-5)


def run(
    network: Network, weights: Parameters, x: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    z, _ = network.encode(weights, x)
    out = network.decode(weights, network.mix(weights, z, there))
    assert isinstance(out, torch.Tensor)
    return out


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_shapes_hold_on_a_device_that_only_knows_shapes(architecture: Architecture) -> None:
    network = Network(architecture)
    weights = {name: tensor.to("meta") for name, tensor in initial(network, (1,)).items()}
    x = torch.empty(1, 4, 512, 30, device="meta")
    out = run(network, weights, x, torch.empty(1, 4, 512, dtype=torch.bool, device="meta"))
    assert out.shape == x.shape
    assert out.device.type == "meta"


def test_halving_is_a_convolution_and_doubling_its_transpose() -> None:
    x, weight, bias = torch_of(2, 5, 8, 3), torch_of(2, 12, 7, seed=1), torch_of(2, 1, 7, seed=2)
    ours = halve({"c.weight": weight, "c.bias": bias}, "c", x)
    for member in range(2):
        kernel = weight[member].reshape(4, 3, 7).permute(2, 1, 0)
        peer = functional.conv1d(x[member].mT, kernel, bias[member, 0], stride=2, padding=1)
        torch.testing.assert_close(ours[member], peer.mT, atol=1e-5, rtol=0)
    weight, bias = torch_of(2, 3, 4 * 7, seed=3), torch_of(2, 1, 7, seed=4)
    ours = double({"c.weight": weight, "c.bias": bias}, "c", x)
    for member in range(2):
        kernel = weight[member].reshape(3, 4, 7).transpose(1, 2)
        given = x[member].mT
        peer = functional.conv_transpose1d(given, kernel, bias[member, 0], stride=2, padding=1)
        torch.testing.assert_close(ours[member], peer.mT, atol=1e-5, rtol=0)


# ---- attention ---------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    threads=st.integers(1, 40),
    spread=st.sampled_from([0.0, 0.1, 1.0, 30.0, 300.0]),
    absent=st.integers(0, 39),
    seed=st.integers(0, 10**6),
)
def test_all_ways_to_attend_agree(threads: int, spread: float, absent: int, seed: int) -> None:
    target = torch_of(2, 3, threads, seed=seed, spread=spread).requires_grad_()
    source = torch_of(2, 3, threads, seed=seed + 1, spread=spread).requires_grad_()
    values = torch_of(2, 3, threads, 4, seed=seed + 2).requires_grad_()
    there = torch.ones(2, 1, threads, dtype=torch.bool)
    there[1, :, threads - min(absent, threads - 1) :] = False
    masked = source.masked_fill(~there, attention.ABSENT)
    outs = [way(target, masked, values) for way in (attention.by_pairs, attention.in_order)]
    torch.testing.assert_close(outs[1], outs[0], atol=1e-5, rtol=1e-5)
    in_numpy = attention.attend(
        target.detach().numpy(), source.detach().numpy(), values.detach().numpy(), there.numpy()
    )
    np.testing.assert_allclose(in_numpy, outs[0].detach().numpy(), atol=1e-5, rtol=1e-5)
    wanted, got = (
        torch.autograd.grad(out.square().mean(), (target, source, values), retain_graph=True)
        for out in outs
    )
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_an_absent_thread_is_no_neighbour() -> None:
    layer = GraphLayer(latent=8, heads=2)
    weights = graph_weights(layer)
    z, there = torch_of(1, 1, 5, 8), torch.tensor([[[True, True, False, True, False]]])
    some = layer.apply(weights, z[:, :, [0, 1, 3]], torch.ones(1, 1, 3, dtype=torch.bool))
    everyone = layer.apply(weights, z, there)[:, :, [0, 1, 3]]
    torch.testing.assert_close(everyone, some)


def test_the_order_of_threads_does_not_matter() -> None:
    layer = GraphLayer(latent=8, heads=2)
    weights, z = graph_weights(layer), torch_of(1, 2, 7, 8)
    there, turned = torch.ones(1, 2, 7, dtype=torch.bool), torch.randperm(7)
    torch.testing.assert_close(
        layer.apply(weights, z[:, :, turned], there), layer.apply(weights, z, there)[:, :, turned]
    )


def graph_weights(layer: GraphLayer) -> Parameters:
    network = Network(Architecture(4, 1, latent=layer.latent, heads=layer.heads, graph=True))
    return {n: t for n, t in initial(network, (0,)).items() if n.startswith("graph.")}


@pytest.mark.parametrize("threads", [1, 7, 100, 200])
def test_the_graph_layer_equals_pytorch_geometric(threads: int) -> None:
    geometric = pytest.importorskip("torch_geometric.nn", reason="torch-geometric is not here")
    layer = GraphLayer(latent=16, heads=4)
    weights, z = graph_weights(layer), torch_of(1, 3, threads, 16, seed=5)
    peer = geometric.GATConv(16, 4, heads=4, add_self_loops=False)
    state = {
        "lin.weight": weights["graph.value.weight"][0].mT,
        "att_src": weights["graph.source.weight"],
        "att_dst": weights["graph.target.weight"],
        "bias": weights["graph.value.bias"][0, 0],
    }
    peer.load_state_dict(state)
    one, other = torch.meshgrid(torch.arange(threads), torch.arange(threads), indexing="ij")
    edges = torch.stack((one.flatten(), other.flatten()))
    all_edges = torch.cat([edges + graph * threads for graph in range(3)], dim=1)
    with torch.no_grad():
        seen = peer(z.reshape(-1, 16), all_edges).reshape(z.shape)
        ours = layer.neighbours(weights, z, torch.ones(1, 3, threads, dtype=torch.bool))
    torch.testing.assert_close(ours, seen, atol=1e-5, rtol=0)
