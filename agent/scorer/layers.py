"""The layers a model is a list of, executed by NumPy for one window of one run.

Arrays are float32 ``[members, threads, ...]``: an ensemble runs as one multiplication of stacked
matrices, and a first axis of 1 serves all members. Names and formulae are those of the trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# NDArray came with NumPy 1.21; EL9 has it, but nothing of it is needed while a window is scored.
Array = Any
Tensors = Mapping[str, Array]
Words = Mapping[str, Any]  # a layer of the list: what it is called, and its numbers

SLOPE = np.float32(0.2)  # of the leaky ReLU in attention


class Input:
    """One window as it enters: ``[1, threads, inputs]`` scaled, 0 where not measured, and where."""

    def __init__(self, values: Array, mask: Array) -> None:
        """Keep both; the mask is 1 where a number was measured."""
        self.values = values
        self.mask = mask


Layer = Callable[[Array, Words, Tensors, Input], Array]


def linear(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``x W + b``; without a bias where the model has none."""
    out = x @ tensors[f"{words['name']}.weight"]
    bias = tensors.get(f"{words['name']}.bias")
    return out if bias is None else np.add(out, bias, out=out)


def relu(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The positive part, in place: ``x`` is a layer's own."""
    return np.maximum(x, np.float32(0), out=x)


def fold(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``[members, threads, steps, channels]`` of rows, filled with zeros up to ``to`` steps."""
    folded = x.reshape(x.shape[0], x.shape[1], int(words["steps"]), -1)
    missing = int(words["to"]) - folded.shape[2]
    return np.pad(folded, ((0, 0), (0, 0), (0, missing), (0, 0))) if missing else folded


def flat(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """Rows of numbers again, of the first ``steps`` steps."""
    cut = x[:, :, : int(words["steps"])]
    return cut.reshape(x.shape[0], x.shape[1], -1)


def halve(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """Convolution of width 4 and stride 2 with one zero at both ends."""
    members, rows, steps, channels = x.shape
    edge = np.zeros((members, rows, 1, channels), np.float32)
    padded = np.concatenate((edge, x, edge), axis=2)
    taps = [padded[:, :, tap : tap + steps - 1 : 2] for tap in range(4)]
    columns = np.concatenate(taps, axis=3).reshape(members, rows * (steps // 2), 4 * channels)
    out = linear(columns, words, tensors, window)
    return out.reshape(out.shape[0], rows, steps // 2, -1)


def double(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The transpose of :func:`halve`: twice the steps."""
    members, rows, steps, channels = x.shape
    spread = x.reshape(members, rows * steps, channels) @ tensors[f"{words['name']}.weight"]
    taps = spread.reshape(spread.shape[0], rows, steps, 4, -1)
    out = taps[:, :, :, 1:3].copy()
    out[:, :, 1:, 0] += taps[:, :, :-1, 3]
    out[:, :, :-1, 1] += taps[:, :, 1:, 0]
    bias = tensors[f"{words['name']}.bias"]
    return out.reshape(out.shape[0], rows, 2 * steps, -1) + bias[:, :, None]


def first(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The first ``count`` numbers of each row: the means of a variational encoder."""
    return x[..., : int(words["count"])]


def graph(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``z + f(z + sum_j a_ij W z_j)`` over the threads of the window (Velickovic et al. 2018)."""
    members, threads, size = x.shape
    heads = int(words["heads"])
    flat_values = x @ tensors["graph.value.weight"]
    values = flat_values.reshape(flat_values.shape[0], threads, heads, -1)
    source = (values * tensors["graph.source.weight"][:, None]).sum(-1).swapaxes(1, 2)
    target = (values * tensors["graph.target.weight"][:, None]).sum(-1).swapaxes(1, 2)
    weights = _attention(target, source)
    seen = weights @ values.swapaxes(1, 2)
    seen /= weights.sum(axis=-1, keepdims=True)
    mixed = seen.swapaxes(1, 2).reshape(-1, threads, size) + tensors["graph.value.bias"]
    mixed += x
    inside = relu(linear(mixed, {"name": "graph.0"}, tensors, window), {}, tensors, window)
    return x + linear(inside, {"name": "graph.1"}, tensors, window)


def _attention(target: Array, source: Array) -> Array:
    """``exp(leaky_relu(target_i + source_j))``, divided by the largest of each row.

    The leaky ReLU is the larger of two straight lines, so its exponential is the larger of two
    products of what i and what j knows alone: no exponential is taken for a pair.
    """
    top = source.max(axis=-1, keepdims=True)
    reach = target + top
    peak = np.maximum(reach, SLOPE * reach)
    rising = np.exp(reach - peak)[..., :, None] * np.exp(source - top)[..., None, :]
    falling = np.exp(SLOPE * reach - peak)[..., :, None]
    falling = falling * np.exp(SLOPE * (source - top))[..., None, :]
    return np.maximum(rising, falling, out=rising)


def centre(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``x`` less a mean where measured, 0 elsewhere."""
    return (x - tensors[f"{words['name']}.mean"]) * window.mask


def nearest(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The nearest of some centres over what was measured."""
    centres = tensors[f"{words['name']}.centres"]
    kept = window.mask[0]
    distance = kept @ np.square(centres).T - 2 * (x[0] * kept) @ centres.T
    return centres[distance.argmin(axis=1)][None]


LAYERS: dict[str, Layer] = {
    "linear": linear,
    "relu": relu,
    "fold": fold,
    "flat": flat,
    "halve": halve,
    "double": double,
    "first": first,
    "graph": graph,
    "centre": centre,
    "nearest": nearest,
}
