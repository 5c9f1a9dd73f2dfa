"""Training the deep arms with torch: all members at once, Adam, stopped by rows held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...devices import one_thread
from .arm import Floats, Progress
from .deep import SMALLEST_VARIANCE, DeepEncoder

MAX_ROWS = 60_000  # to learn from
HELD_OUT = 0.1
DECODER_VARIANCE = 0.1  # of a variational decoder while it learns, in squashed units
_Layers = list[tuple[torch.Tensor, torch.Tensor]]
_Part = tuple[torch.Tensor, torch.Tensor]  # inputs and mask


@dataclass(frozen=True)
class Learned:
    """Layers ``([members, inputs, outputs], [members, 1, outputs])``; variances of errors."""

    layers: list[tuple[Floats, Floats]]
    variance: Floats


def train(
    encoder: DeepEncoder, inputs: Floats, mask: NDArray[np.bool_], progress: Progress | None
) -> Learned:
    """The layers of the best held-out error, each member's own; the same seed gives the same.

    ``inputs`` is ``[rows, inputs]`` with the features first, ``mask`` ``[rows, features]`` is True
    where one was measured.
    """
    rng = np.random.default_rng(encoder.seed)
    order = rng.permutation(len(inputs))[:MAX_ROWS]
    held = max(1, int(HELD_OUT * len(order)))
    parts = [(torch.from_numpy(inputs[p]), torch.from_numpy(mask[p])) for p in _cut(order, held)]
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(encoder.seed)
        layers = _begin(encoder)
        best = [[tensor.detach().clone() for tensor in pair] for pair in layers]
        for done, better in _epochs(encoder, layers, *parts):
            _keep(best, layers, better)
            if progress is not None:
                progress(done, encoder.epochs)
        kept = [(pair[0], pair[1]) for pair in best]
        variance = _variance(encoder, kept, *parts[1])
    return Learned([(w.numpy(), b.numpy()) for w, b in kept], variance)


def _epochs(
    encoder: DeepEncoder, layers: _Layers, learning: _Part, held_out: _Part
) -> Iterator[tuple[int, torch.Tensor]]:
    """After each epoch its number, and which members are better than ever; ends when none is."""
    tensors = [tensor for pair in layers for tensor in pair]
    optimiser = torch.optim.Adam(tensors, lr=encoder.learning_rate)
    lowest = torch.full((encoder.members,), torch.inf)
    waited = 0
    for epoch in range(encoder.epochs):
        _epoch(encoder, layers, optimiser, *learning)
        with torch.no_grad():
            errors = _loss(encoder, layers, *held_out, sampled=False)
        better = errors < lowest
        lowest = torch.where(better, errors, lowest)
        yield epoch + 1, better
        waited = 0 if bool(better.any()) else waited + 1
        if waited >= encoder.patience:
            return


def _cut(order: NDArray[np.intp], held: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return (order[held:], order[:held]) if len(order) > held else (order, order)


def _begin(encoder: DeepEncoder) -> _Layers:
    """Weights as torch's own linear layers begin with: uniform within 1 / sqrt(inputs)."""
    layers: _Layers = []
    for inputs, outputs in encoder.widths():
        bound = 1.0 / max(1, inputs) ** 0.5
        weight = torch.empty(encoder.members, inputs, outputs).uniform_(-bound, bound)
        bias = torch.empty(encoder.members, 1, outputs).uniform_(-bound, bound)
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def _epoch(
    encoder: DeepEncoder,
    layers: _Layers,
    optimiser: torch.optim.Optimizer,
    inputs: torch.Tensor,
    mask: torch.Tensor,
) -> None:
    for batch in torch.randperm(len(inputs)).split(encoder.batch):
        optimiser.zero_grad()
        # members share no weight, so the gradient of their sum is each one's own
        _loss(encoder, layers, inputs[batch], mask[batch], sampled=True).sum().backward()
        optimiser.step()


def _loss(
    encoder: DeepEncoder,
    layers: _Layers,
    inputs: torch.Tensor,
    mask: torch.Tensor,
    *,
    sampled: bool,
) -> torch.Tensor:
    """``[members]``: mean squared error a row; for a variational one the negative bound."""
    output, place, spread = _forward(encoder, layers, inputs, sampled=sampled)
    errors = ((output - inputs[:, : encoder.features_]) ** 2 * mask).sum(dim=2).mean(dim=1)
    if not encoder.variational:
        return errors
    far = (place**2 + spread.exp() - 1.0 - spread).sum(dim=2).mean(dim=1)
    return errors / DECODER_VARIANCE + far


def _forward(
    encoder: DeepEncoder, layers: _Layers, inputs: torch.Tensor, *, sampled: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = inputs.expand(encoder.members, *inputs.shape)
    hidden = torch.relu(torch.baddbmm(layers[0][1], rows, layers[0][0]))
    middle = torch.baddbmm(layers[1][1], hidden, layers[1][0])
    place = middle[..., : encoder.latent]
    spread = middle[..., encoder.latent :].clamp(-10.0, 10.0)
    drawn = place
    if encoder.variational and sampled:
        drawn = place + torch.randn_like(place) * (spread / 2).exp()
    hidden = torch.relu(torch.baddbmm(layers[2][1], drawn, layers[2][0]))
    return torch.baddbmm(layers[3][1], hidden, layers[3][0]), place, spread


def _keep(best: list[list[torch.Tensor]], layers: _Layers, better: torch.Tensor) -> None:
    """Copy the members that are better now."""
    for kept, pair in zip(best, layers, strict=True):
        for place, tensor in enumerate(pair):
            kept[place][better] = tensor.detach()[better]


def _variance(
    encoder: DeepEncoder, layers: _Layers, inputs: torch.Tensor, mask: torch.Tensor
) -> Floats:
    """``[members, features]``: mean squared error of each feature among held-out rows.

    One more row that missed by one is counted in: where hardly any row measured a feature, its
    few errors say nothing, and small ones would make each later row that has it odd.
    """
    with torch.no_grad():
        output, _, _ = _forward(encoder, layers, inputs, sampled=False)
        errors = (output - inputs[:, : encoder.features_]) ** 2 * mask
        mean = (errors.sum(dim=1) + 1.0) / (mask.sum(dim=0) + 1.0)
        return np.asarray(mean.clamp(min=SMALLEST_VARIANCE).numpy(), dtype=np.float32)
