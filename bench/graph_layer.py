"""The graph layer beside PyTorch Geometric: the same weights, the same numbers, other times.

``layer`` is the layer alone (attention over all threads of each node, residual, two dense layers),
``autoencoder`` the whole network around it: windows of 64 steps and 10 features, 16 codes, 4 heads.
The peer is the same with GATConv over the complete graph, whose edges are made beforehand. Training
is forward, backward and one step of Adam. Times are of the CPU, on one thread, so that other load
on the machine counts little. All take turns in rounds; a turn is one call to warm the caches, then
four that count. Times are medians, ratios medians of peer / ours in the same round. The last line
is one JSON object: of each size the milliseconds, the ratios, and the largest difference of outputs
(``difference``) and of gradients relative to the largest (``gradient_difference``); ``by_size`` has
both of our ways to attend. Needs torch-geometric, which jobmend itself does not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch_geometric.nn import GATConv  # type: ignore[import-untyped]

from jobmend.classifier.traces import attention
from jobmend.classifier.traces.graph import GraphLayer
from jobmend.classifier.traces.network import Architecture, Network
from jobmend.classifier.traces.training import initial

STEPS, FEATURES, LATENT, HEADS = 64, 10, 16, 4
SIZES = ((1, 2), (1, 16), (1, 64), (1, 128), (1, 512), (8, 2), (8, 16), (8, 64), (8, 128))
CALLS = 4  # of a turn
Work = Callable[[], object]


class Peer(torch.nn.Module):  # type: ignore[misc]
    """Dense auto-encoder, GATConv and dense layers as modules, with our first weights."""

    def __init__(self, weights: Mapping[str, torch.Tensor], edges: torch.Tensor) -> None:
        """Copy the weights of one member."""
        super().__init__()
        self.edges = edges
        self.attend = GATConv(LATENT, LATENT // HEADS, heads=HEADS, add_self_loops=False)
        self.attend.load_state_dict(
            {
                "lin.weight": weights["graph.value.weight"][0].mT,
                "att_src": weights["graph.source.weight"],
                "att_dst": weights["graph.target.weight"],
                "bias": weights["graph.value.bias"][0, 0],
            }
        )
        self.inside = torch.nn.Sequential(*two_layers(weights, "graph"))
        self.encode = torch.nn.Sequential(*two_layers(weights, "encode"))
        self.decode = torch.nn.Sequential(*two_layers(weights, "decode"))

    def layer(self, z: torch.Tensor) -> torch.Tensor:
        """Rows of all graphs together, as PyTorch Geometric has them."""
        return z + self.inside(z + self.attend(z, self.edges))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[rows, inputs]`` put together again."""
        return self.decode(self.layer(self.encode(x)))


def two_layers(weights: Mapping[str, torch.Tensor], name: str) -> list[torch.nn.Module]:
    """Linear, ReLU, Linear with the weights of that name."""
    layers: list[torch.nn.Module] = []
    for part in ("0", "1"):
        weight = weights[f"{name}.{part}.weight"][0]
        layer = torch.nn.Linear(*weight.shape)
        layer.load_state_dict({"weight": weight.mT, "bias": weights[f"{name}.{part}.bias"][0, 0]})
        layers += [layer, torch.nn.ReLU()]
    return layers[:-1]


def complete(graphs: int, threads: int) -> torch.Tensor:
    """Edges of ``graphs`` complete graphs, each thread to itself as well."""
    one, other = torch.meshgrid(torch.arange(threads), torch.arange(threads), indexing="ij")
    edges = torch.stack((one.flatten(), other.flatten()))
    return torch.cat([edges + graph * threads for graph in range(graphs)], dim=1)


def in_turns(work: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Milliseconds a call in each of ``rounds``, in which all take turns."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            call()
            begun = time.process_time()
            for _ in range(CALLS):
                call()
            found[name].append(1000 * (time.process_time() - begun) / CALLS)
    return found


def training(parameters: Sequence[torch.Tensor], forward: Work, target: torch.Tensor) -> Work:
    """Forward, backward and one step."""
    optimiser = torch.optim.Adam(parameters, lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        out = forward()
        assert isinstance(out, torch.Tensor)
        (out.reshape(target.shape) - target).square().mean().backward()
        optimiser.step()

    return step


def inference(forward: Work) -> Work:
    """Forward without gradients."""

    def call() -> None:
        with torch.no_grad():
            forward()

    return call


def measure(graphs: int, threads: int, rounds: int) -> dict[str, Any]:
    """Both, as a layer and in the whole network, for one size."""
    network = Network(Architecture(STEPS, FEATURES, latent=LATENT, heads=HEADS, graph=True))
    layer = GraphLayer(LATENT, HEADS)
    weights = {n: t.requires_grad_() for n, t in initial(network, (0,)).items()}
    of_layer = [tensor for name, tensor in weights.items() if name.startswith("graph.")]
    peer = Peer({n: t.detach() for n, t in weights.items()}, complete(graphs, threads))
    of_peer = [*peer.attend.parameters(), *peer.inside.parameters()]
    x = torch.randn(1, graphs, threads, STEPS * FEATURES)
    z = torch.randn(1, graphs, threads, LATENT)
    rows, codes = x.reshape(-1, x.shape[-1]), z.reshape(-1, LATENT)
    there = torch.ones(1, graphs, threads, dtype=torch.bool)

    def whole() -> torch.Tensor:
        mixed = network.mix(weights, network.encode(weights, x)[0], there)
        out = network.decode(weights, mixed)
        assert isinstance(out, torch.Tensor)
        return out

    ours: dict[str, tuple[Sequence[torch.Tensor], Work, torch.Tensor]] = {
        "layer": (of_layer, lambda: layer.apply(weights, z, there), z),
        "autoencoder": (list(weights.values()), whole, x),
    }
    theirs: dict[str, tuple[Sequence[torch.Tensor], Work, torch.Tensor]] = {
        "layer": (of_peer, lambda: peer.layer(codes), z),
        "autoencoder": (list(peer.parameters()), lambda: peer(rows), x),
    }
    row: dict[str, Any] = {"graphs": graphs, "threads": threads}
    row |= differences(weights, peer, ours["layer"][1](), theirs["layer"][1](), z)
    for part in ours:
        work = {
            "infer_ms": inference(ours[part][1]),
            "infer_peer_ms": inference(theirs[part][1]),
            "train_ms": training(*ours[part]),
            "train_peer_ms": training(*theirs[part]),
        }
        row[part] = with_ratios(in_turns(work, rounds))
    return row


def differences(
    weights: Mapping[str, torch.Tensor], peer: Peer, ours: Any, theirs: Any, z: torch.Tensor
) -> dict[str, float]:
    """Largest difference of the outputs, and of the gradients relative to the largest."""
    for out in (ours, theirs):
        (out.reshape(z.shape) - z).square().mean().backward()
    pairs = (
        (weights["graph.value.weight"].grad[0].mT, peer.attend.lin.weight.grad),
        (weights["graph.source.weight"].grad, peer.attend.att_src.grad),
        (weights["graph.target.weight"].grad, peer.attend.att_dst.grad),
    )
    relative = [float((one - other).abs().max() / other.abs().max()) for one, other in pairs]
    apart = ours.reshape(z.shape) - theirs.reshape(z.shape)
    return {
        "difference": float(apart.detach().abs().max()),
        "gradient_difference": max(relative),
    }


def with_ratios(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Milliseconds, and how many times longer the peer takes."""
    found = {name: round(statistics.median(values), 4) for name, values in times.items()}
    for kind in ("train", "infer"):
        pairs = zip(times[f"{kind}_peer_ms"], times[f"{kind}_ms"], strict=True)
        found[f"{kind}_ratio"] = round(statistics.median(peer / our for peer, our in pairs), 2)
    return found


def by_size(graphs: int, threads: int, rounds: int) -> dict[str, float]:
    """Milliseconds of the attention alone, pair by pair and in order, with gradients."""
    shape = (1, graphs, HEADS, threads)
    inputs = [torch.randn(shape), torch.randn(shape), torch.randn(*shape, LATENT // HEADS)]
    inputs = [each.requires_grad_() for each in inputs]

    def with_gradients(way: Callable[..., torch.Tensor]) -> Work:
        return lambda: torch.autograd.grad(way(*inputs).square().mean(), inputs)

    ways = {"pairs_ms": attention.by_pairs, "order_ms": attention.in_order}
    found = in_turns({name: with_gradients(way) for name, way in ways.items()}, rounds)
    about = {"graphs": float(graphs), "threads": float(threads)}
    return {**about, **{name: round(statistics.median(ms), 4) for name, ms in found.items()}}


def main() -> None:
    """Print a table for people, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each size [40]")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="the first sizes only [all]")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    talk = Console(stderr=True)
    rows, ways = [], []
    for graphs, threads in track(SIZES[: options.sizes], "sizes", console=talk):
        rows.append(measure(graphs, threads, options.rounds))
        talk.print(rows[-1], soft_wrap=True)
    for graphs in (1, 8):
        for threads in (16, 32, 64, 96, 128, 256)[: options.sizes]:
            ways.append(by_size(graphs, threads, options.rounds))
            talk.print(ways[-1], soft_wrap=True)
    print(json.dumps({"layers": rows, "by_size": ways, "sorted_from": attention.SORTED_FROM}))


if __name__ == "__main__":
    main()
