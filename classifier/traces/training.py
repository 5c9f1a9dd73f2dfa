"""Training the auto-encoder with torch: Adam, early stopping on runs it does not train on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from .autoencoder import LAYERS, AutoEncoder, layer_widths
from .normalise import Floats, Mask

BATCH = 128
LEARNING_RATE = 2e-3
PATIENCE = 15  # epochs without a better validation error


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: small layers gain nothing from more, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    training: tuple[Floats, Mask], validation: tuple[Floats, Mask], *, epochs: int, seed: int
) -> AutoEncoder:
    """The auto-encoder of the best validation error within ``epochs``.

    Both parts are ``[samples, inputs]`` of scaled numbers with the mask of what was measured; only
    measured numbers count as error. The same ``seed`` gives the same weights on one machine.
    """
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(training[0].shape[1])
        best, best_error, waited = export(network), np.inf, 0
        optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
        for _ in range(epochs):
            _epoch(network, optimiser, *map(torch.from_numpy, training))
            error = _validate(network, *map(torch.from_numpy, validation))
            waited = 0 if error < best_error else waited + 1
            if error < best_error:
                best, best_error = export(network), error
            if waited >= PATIENCE:
                break
    return best


def build(inputs: int) -> nn.Sequential:
    """The untrained network as torch knows it."""
    widths = layer_widths(inputs)
    layers: list[nn.Module] = []
    for layer in range(LAYERS):
        layers += [nn.Linear(widths[layer], widths[layer + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def export(network: nn.Sequential) -> AutoEncoder:
    """The network's weights, copied out of torch."""
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    return AutoEncoder(
        tuple(layer.weight.detach().numpy().copy() for layer in linear),
        tuple(layer.bias.detach().numpy().copy() for layer in linear),
    )


def _epoch(
    network: nn.Sequential,
    optimiser: torch.optim.Optimizer,
    samples: torch.Tensor,
    mask: torch.Tensor,
) -> None:
    network.train()
    for batch in torch.randperm(len(samples)).split(BATCH):
        optimiser.zero_grad()
        _error(network, samples[batch], mask[batch]).backward()
        optimiser.step()


def _validate(network: nn.Sequential, samples: torch.Tensor, mask: torch.Tensor) -> float:
    network.eval()
    with torch.no_grad():
        return float(_error(network, samples, mask))


def _error(network: nn.Sequential, samples: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    squares = (network(samples) - samples) ** 2 * mask
    return squares.sum() / mask.sum().clamp(min=1)
