"""How networks learn: Adam on the masked error of all members at once, and early stopping.

The loss of a member is a sum over its own weights, and Adam (Kingma and Ba 2015) treats each weight
by itself. So members that share one pass learn what they would alone: each has its own seed for the
first weights, the order of the batches and the noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import devices, variational
from .estimator import Progress
from .layers import bound
from .network import Network
from .normalise import Floats, Mask

Parameters = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Plan:
    """How to learn; ``batch`` counts threads, ``seeds`` has one number a member."""

    seeds: tuple[int, ...]
    epochs: int
    batch: int = 128
    learning_rate: float = 2e-3
    patience: int = 15  # epochs without a better validation error
    noise: float = 0.1  # variance of the decoder of a variational network
    device: str = devices.AUTO


@dataclass(frozen=True)
class Part:
    """Windows to learn from or to stop by: ``[windows, threads, inputs]`` and who was there."""

    values: torch.Tensor
    mask: torch.Tensor  # bool, in the shape of values
    there: torch.Tensor  # bool [windows, threads]

    @classmethod
    def of(cls, values: Floats, mask: Mask) -> Part:
        """From ``[windows, threads, steps, features]``, 0 where not measured."""
        flat = (*values.shape[:2], values.shape[2] * values.shape[3])
        there = mask.any(axis=(2, 3))
        arrays = (values.reshape(flat), mask.reshape(flat), there)
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))

    def first(self, count: int) -> Part:
        """The first ``count`` windows."""
        return Part(self.values[:count], self.mask[:count], self.there[:count])

    def to(self, device: torch.device) -> Part:
        """The same on ``device``, if it all fits there; batches are moved one by one otherwise."""
        size = self.values.nbytes + self.mask.nbytes + self.there.nbytes
        if device.type == "cpu" or size > devices.SHARE * devices.free_bytes(device):
            return self
        return Part(self.values.to(device), self.mask.to(device), self.there.to(device))

    def at(self, indices: torch.Tensor, device: torch.device) -> Part:
        """The windows ``[members, batch]``, on ``device``."""
        here, shape = indices.flatten().to(self.values.device), indices.shape
        chosen = (self.values, self.mask, self.there)
        taken = (each.index_select(0, here).unflatten(0, shape).to(device) for each in chosen)
        return Part(*taken)


def train(
    network: Network,
    training: Part,
    validation: Part,
    plan: Plan,
    progress: Progress | None = None,
) -> dict[str, NDArray[Any]]:
    """Each member's weights of its best validation error, stacked."""
    device = devices.choose(plan.device)
    threads = training.values.shape[1]
    batch = devices.fitting(
        max(1, plan.batch // threads),
        4 * network.floats_each(threads) * len(plan.seeds),
        devices.free_bytes(device),
    )
    with devices.one_thread():
        learner = _Learner(network, plan, device, batch)
        learner.learn(training.to(device), validation.to(device), progress)
    return {name: tensor.cpu().numpy() for name, tensor in learner.best.items()}


def initial(network: Network, seeds: tuple[int, ...]) -> Parameters:
    """The first weights of each member, from its seed."""
    return _stacked([_one_initial(network, torch.Generator().manual_seed(s)) for s in seeds])


def _one_initial(network: Network, random: torch.Generator) -> Parameters:
    first: Parameters = {}
    for name, layer in network.shapes().items():
        limit = bound(layer.inputs)
        weight = torch.rand(layer.inputs, layer.outputs, generator=random)
        first[f"{name}.weight"] = (2 * weight - 1) * limit
        if layer.bias:
            first[f"{name}.bias"] = (2 * torch.rand(1, layer.bias, generator=random) - 1) * limit
    return first


def _stacked(members: list[Parameters]) -> Parameters:
    return {name: torch.stack([each[name] for each in members]) for name in members[0]}


class _Learner:
    """The state of one training; ``best`` holds the weights to keep."""

    def __init__(self, network: Network, plan: Plan, device: torch.device, batch: int) -> None:
        self.network, self.plan, self.device, self.batch = network, plan, device, batch
        # Other streams than those of the first weights, which have the plain seeds.
        self.random = [torch.Generator().manual_seed(seed + 2**32) for seed in plan.seeds]
        first = initial(network, plan.seeds)
        self.weights = {n: t.to(device).requires_grad_() for n, t in first.items()}
        self.best = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        self.best_error = torch.full((len(plan.seeds),), torch.inf)
        self.waited = torch.zeros(len(plan.seeds), dtype=torch.int64)
        self.optimiser = torch.optim.Adam(
            self.weights.values(), lr=plan.learning_rate, fused=device.type in ("cpu", "cuda")
        )

    def learn(self, training: Part, validation: Part, progress: Progress | None) -> None:
        """Until no member gets better, or the epochs are over."""
        for epoch in range(1, self.plan.epochs + 1):
            self.epoch(training)
            error = self.validate(validation)
            self._keep(error)
            if progress is not None:
                progress(epoch, self.plan.epochs, float(error.mean()))
            if bool((self.waited >= self.plan.patience).all()):
                return

    def epoch(self, training: Part) -> None:
        """One pass over the windows, each member in its own order."""
        count = len(training.values)
        order = torch.stack([torch.randperm(count, generator=each) for each in self.random])
        for indices in order.split(self.batch, dim=1):
            self.optimiser.zero_grad()
            total, measured = self._loss(training.at(indices, self.device), drawn=True)
            (total / measured.clamp(min=1)).sum().backward()
            self.optimiser.step()

    def validate(self, validation: Part) -> torch.Tensor:
        """``[members]``: the error over all of the windows, without noise."""
        total, measured = torch.zeros(2, len(self.plan.seeds))
        with torch.no_grad():
            for part in self._in_order(validation):
                error, count = self._loss(part, drawn=False)
                total, measured = total + error.cpu(), measured + count.cpu()
        return total / measured.clamp(min=1)

    def _in_order(self, part: Part) -> Iterator[Part]:
        count, size = len(part.values), 8 * self.batch
        for begin in range(0, count, size):
            indices = torch.arange(begin, min(begin + size, count))
            yield part.at(indices.expand(len(self.plan.seeds), -1), self.device)

    def _loss(self, part: Part, *, drawn: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """``[members]``: squared errors over what was measured, and how much that was.

        A variational network adds ``2 * noise * divergence`` of each thread: both together are
        the negative evidence bound of a decoder with variance ``noise``, times that and 2.
        """
        codes, log_variance = self.network.encode(self.weights, part.values)
        z = codes
        if log_variance is not None and drawn:
            z = variational.draw(codes, log_variance, self._noise(codes.shape[1:]))
        mixed = self.network.mix(self.weights, z, part.there)
        squares = (self.network.decode(self.weights, mixed) - part.values).square()
        total = (squares * part.mask).sum((1, 2, 3))
        if log_variance is not None:
            divergence = variational.divergence(codes, log_variance) * part.there
            total = total + 2 * self.plan.noise * divergence.sum((1, 2))
        return total, part.mask.sum((1, 2, 3))

    def _noise(self, shape: torch.Size) -> torch.Tensor:
        drawn = [torch.randn(shape, generator=random) for random in self.random]
        return torch.stack(drawn).to(self.device)

    def _keep(self, error: torch.Tensor) -> None:
        """Remember the weights of members that got better and had not stopped before."""
        going = self.waited < self.plan.patience
        better = going & (error < self.best_error)
        self.best_error = torch.where(better, error, self.best_error)
        self.waited = torch.where(better, 0, self.waited + going)
        members = better.nonzero().flatten().to(self.device)
        for name, tensor in self.weights.items():
            self.best[name][members] = tensor.detach()[members]
