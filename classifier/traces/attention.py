"""Attention over the threads of a node, exactly as in a graph attention network.

The weight that thread i gives thread j is ``softmax_j(leaky_relu(target_i + source_j))``
(Velickovic et al. 2018), over all threads of the node that were measured, itself among them.

Torch has two ways to that: each pair of threads by itself, and :mod:`.running_sums`, which is
faster where there are many pairs. Numpy has the first alone.
"""

from __future__ import annotations

import numpy as np

from .layers import Array

SLOPE = 0.2  # of the leaky ReLU below zero, as in the paper
ABSENT = -1e4  # source of a thread that was not measured: its weight is 0 in float32
SORTED_FROM = 200_000  # pairs in all; below, torch weighs each (bench/graph_layer.py)


def attend(target: Array, source: Array, values: Array, there: Array) -> Array:
    """The weighted mean of ``values`` for each thread.

    ``target`` and ``source`` are ``[..., heads, threads]``, ``values`` ``[..., heads, threads,
    channels]``, ``there`` ``[..., 1, threads]`` tells the threads that take part. What others get
    is finite and means nothing.
    """
    if isinstance(values, np.ndarray):
        return _in_numpy(target, np.where(there, source, np.float32(ABSENT)), values)
    source = source.masked_fill(~there, ABSENT)
    if target.numel() * target.shape[-1] < SORTED_FROM or values.device.type != "cpu":
        return by_pairs(target, source, values)
    return in_order(target, source, values)


def _in_numpy(target: Array, source: Array, values: Array) -> Array:
    weights = target[..., :, None] + source[..., None, :]
    np.maximum(weights, SLOPE * weights, out=weights)
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    return (weights @ values) / weights.sum(axis=-1, keepdims=True)


def by_pairs(target: Array, source: Array, values: Array) -> Array:
    """The definition, with torch: one number for each pair of threads."""
    from torch.nn.functional import leaky_relu

    pairs = leaky_relu(target.unsqueeze(-1) + source.unsqueeze(-2), SLOPE)
    return pairs.softmax(-1) @ values


def in_order(target: Array, source: Array, values: Array) -> Array:
    """The same, with torch, from running sums over the threads in the order of their sources."""
    from .running_sums import RunningSums

    return RunningSums.apply(target.contiguous(), source.contiguous(), values)
