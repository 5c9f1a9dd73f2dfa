"""Attention of a leaky ReLU from running sums: T log T steps for T threads, not T².

On each side of its corner the leaky ReLU is linear, so ``exp`` of it is a product of what thread i
knows and what thread j knows. With the sources in order, the threads on one side of i's corner are
the first ones, those on the other the last: two running sums and one search per thread hold all
there is to add up. All terms of the weights are positive, and only differences from the largest
exponent of a row are raised to a power, so nothing cancels or leaves the range of float32.
"""

from __future__ import annotations

from typing import Any

import torch

from .attention import SLOPE


class RunningSums(torch.autograd.Function):  # type: ignore[misc]
    """``softmax_j(leaky_relu(target_i + source_j)) @ values`` and its gradient.

    ``target`` and ``source`` are ``[..., threads]``, ``values`` ``[..., threads, channels]``. In
    arrays with a first axis of two, the first half is below the corner, with threads in rising
    order of their source, the second above it, in falling order: so that both sums begin at 0.
    """

    @staticmethod
    def forward(
        ctx: Any, target: torch.Tensor, source: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """The weighted means; a last channel of ones becomes the sum of the weights."""
        threads, channels = values.shape[-2:]
        source, order = source.sort(-1)
        last = source[..., -1:]
        away = source - last
        factor = torch.stack((SLOPE * away, away.flip(-1))).exp_().unsqueeze(-1)
        order = order.unsqueeze(-1).expand(values.shape)
        rising = values.new_ones(*values.shape[:-1], channels + 1)
        rising[..., :channels] = values.gather(-2, order)
        both = torch.stack((rising, rising.flip(-2)))
        sums = both.new_zeros(2, *values.shape[:-2], threads + 1, channels + 1)
        torch.cumsum(both * factor, -2, out=sums[..., 1:, :])
        below = torch.searchsorted(source, -target, right=True)
        place = torch.stack((below, threads - below)).unsqueeze(-1).expand(both.shape)
        reach = torch.stack((SLOPE * (target + last), target + last))
        share = (reach - reach.amax(0)).exp_().unsqueeze(-1)
        parts = sums.gather(-2, place).mul_(share)
        whole = parts.sum(0)
        weight = whole[..., -1:]
        means = whole[..., :-1] / weight
        ctx.save_for_backward(order, factor, both, place, share, parts, weight, means)
        return means

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Gradients of target, source and values: the same sums, run the other way."""
        order, factor, both, place, share, parts, weight, means = ctx.saved_tensors
        back = torch.cat((gradient, -(gradient * means).sum(-1, keepdim=True)), -1) / weight
        along = (back * parts).sum(-1)
        of_target = torch.add(along[1], along[0], alpha=SLOPE)
        threads, channels = both.shape[-2:]
        sums = both.new_zeros(*both.shape[:-2], threads + 1, channels)
        sums.scatter_add_(-2, place, back * share)
        of_both = sums.flip(-2)[..., :-1, :].cumsum(-2).flip(-2).mul_(factor)
        along = (of_both * both).sum(-1)
        of_source = torch.add(along[1].flip(-1), along[0], alpha=SLOPE)
        of_values = (of_both[0] + of_both[1].flip(-2))[..., :-1]
        return (
            of_target,
            torch.empty_like(of_source).scatter_(-1, order[..., 0], of_source),
            torch.empty_like(gradient).scatter_(-2, order, of_values),
        )
