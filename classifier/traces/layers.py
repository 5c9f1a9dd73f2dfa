"""Layers of networks that numpy and torch execute alike: numpy to score, torch to learn.

Arrays have a leading axis of ensemble members: one multiplication of stacked matrices runs all of
them. ``weights`` maps names to arrays ``[members, inputs, outputs]`` and ``[members, 1, outputs]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple, cast

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor: no type says both
Weights = Mapping[str, Array]


class Layer(NamedTuple):
    """A matrix ``[inputs, outputs]`` and a row of ``bias`` numbers, 0 where it has none."""

    inputs: int
    outputs: int
    bias: int


Shapes = dict[str, Layer]  # by the layer's name


def namespace(x: Array) -> ModuleType:
    """The library that executes ``x``; torch is not imported for numpy's arrays."""
    if isinstance(x, np.ndarray):
        return np
    import torch

    return cast(ModuleType, torch)


def linear(weights: Weights, name: str, x: Array) -> Array:
    """``x W + b`` of ``[members, rows, inputs]``; one member's ``x`` serves all in numpy."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    if isinstance(x, np.ndarray):
        return x @ weight + bias
    return bias.baddbmm(x, weight)


def relu(x: Array) -> Array:
    """The positive part."""
    return np.maximum(x, 0.0) if isinstance(x, np.ndarray) else x.relu()


def halve(weights: Weights, name: str, x: Array) -> Array:
    """Convolution of width 4 and stride 2: ``[members, rows, steps, inputs]`` to half the steps.

    One zero is added at both ends. The weight is ``[members, 4 * inputs, outputs]``, the earliest
    step first.
    """
    xp = namespace(x)
    members, rows, steps, inputs = x.shape
    edge = xp.zeros_like(x[:, :, :1])
    padded = xp.concatenate((edge, x, edge), 2)
    taps = [padded[:, :, tap : tap + steps - 1 : 2] for tap in range(4)]
    columns = xp.concatenate(taps, 3).reshape(members, rows * (steps // 2), 4 * inputs)
    out = linear(weights, name, columns)
    return out.reshape(out.shape[0], rows, steps // 2, out.shape[-1])


def double(weights: Weights, name: str, x: Array) -> Array:
    """The transpose of :func:`halve`: ``[members, rows, steps, inputs]`` to twice the steps.

    The weight is ``[members, inputs, 4 * outputs]``, the bias ``[members, 1, outputs]``.
    """
    xp = namespace(x)
    members, rows, steps, inputs = x.shape
    flat = x.reshape(members, rows * steps, inputs) @ weights[f"{name}.weight"]
    taps = flat.reshape(flat.shape[0], rows, steps, 4, -1)
    edge = xp.zeros_like(taps[:, :, :1, 0])
    even = xp.concatenate((edge, taps[:, :, :-1, 3]), 2)
    odd = xp.concatenate((taps[:, :, 1:, 0], edge), 2)
    out = taps[:, :, :, 1:3] + xp.stack((even, odd), 3)
    bias = weights[f"{name}.bias"][:, :, None]
    return out.reshape(out.shape[0], rows, 2 * steps, out.shape[-1]) + bias


def bound(inputs: int) -> float:
    """Initial weights are uniform within this: ``1 / sqrt(inputs)``, LeCun et al. (1998)."""
    return 1.0 / math.sqrt(inputs)
