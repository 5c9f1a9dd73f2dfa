"""The layers a model is a list of, executed by NumPy for one window of one run.

Arrays are float32 ``[members, numbers, threads]``: an ensemble runs as one multiplication of
stacked matrices, and a first axis of 1 serves all members. Threads are the last axis, so that the
steps that a convolution reads lie one behind the other and need not be copied together. Names and
formulae are those of the trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .attention import attend

# NDArray came with NumPy 1.21; EL9 has it, but nothing of it is needed while a window is scored.
Array = Any
Tensors = Mapping[str, Array]
Words = Mapping[str, Any]  # a layer of the list: what it is called, and its numbers


class Input:
    """One window as it enters: ``[1, numbers, threads]`` scaled, and where it was measured."""

    def __init__(self, values: Array, mask: Array) -> None:
        """Keep both; where a number was not measured it is 0, and so is the mask."""
        self.values = values
        self.mask = mask


Layer = Callable[[Array, Words, Tensors, Input], Array]


def linear(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``W' x + b``; without a bias where the model has none."""
    out = tensors[f"{words['name']}.weight"].swapaxes(1, 2) @ x
    bias = tensors.get(f"{words['name']}.bias")
    return out if bias is None else np.add(out, bias.swapaxes(1, 2), out=out)


def relu(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The positive part, in place: ``x`` is a layer's own."""
    return np.maximum(x, np.float32(0), out=x)


def fold(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``[members, steps, channels, threads]``, filled with zeros up to ``to`` steps."""
    folded = x.reshape(x.shape[0], int(words["steps"]), -1, x.shape[2])
    missing = int(words["to"]) - folded.shape[1]
    return np.pad(folded, ((0, 0), (0, missing), (0, 0), (0, 0))) if missing else folded


def flat(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """Numbers one below the other again, of the first ``steps`` steps."""
    return x[:, : int(words["steps"])].reshape(x.shape[0], -1, x.shape[3])


def halve(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """Convolution of width 4 and stride 2 with one zero at both ends."""
    weight, bias = (tensors[f"{words['name']}.{part}"] for part in ("weight", "bias"))
    out = weight[:, None].swapaxes(2, 3) @ _neighbours(x, 4)[:, ::2]
    return np.add(out, bias[:, None].swapaxes(2, 3), out=out)


def double(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The transpose of :func:`halve`: twice the steps, each out of two neighbours."""
    weight, bias = (tensors[f"{words['name']}.{part}"] for part in ("weight", "bias"))
    taps = np.split(weight[:, None].swapaxes(2, 3), 4, axis=2)
    pairs = _neighbours(x, 2)
    members, steps, channels = max(len(x), len(weight)), x.shape[1], bias.shape[2]
    out = np.empty((members, steps, 2, channels, x.shape[3]), np.float32)
    np.matmul(np.concatenate((taps[3], taps[1]), axis=3), pairs[:, :-1], out=out[:, :, 0])
    np.matmul(np.concatenate((taps[2], taps[0]), axis=3), pairs[:, 1:], out=out[:, :, 1])
    out += bias[:, None, None].swapaxes(3, 4)
    return out.reshape(members, 2 * steps, channels, -1)


def _neighbours(x: Array, count: int) -> Array:
    """Each ``count`` steps in a row, with a zero before and behind, as one column of numbers.

    ``[members, steps + 3 - count, count * channels, threads]``, not copied: columns overlap.
    """
    members, steps, channels, threads = x.shape
    padded = np.empty((members, steps + 2, channels, threads), np.float32)
    padded[:, 0] = padded[:, -1] = 0
    padded[:, 1:-1] = x
    shape = members, steps + 3 - count, count * channels, threads
    return np.lib.stride_tricks.as_strided(padded, shape, padded.strides, writeable=False)


def first(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The first ``count`` numbers of each thread: the means of a variational encoder."""
    return x[:, : int(words["count"])]


def graph(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``z + f(z + sum_j a_ij W z_j)`` over the threads of the window (Velickovic et al. 2018)."""
    threads, heads = x.shape[2], int(words["heads"])
    values = tensors["graph.value.weight"].swapaxes(1, 2) @ x
    values = values.reshape(values.shape[0], heads, -1, threads)
    target, source = (
        (values * tensors[f"graph.{end}.weight"][..., None]).sum(axis=2).reshape(-1, threads)
        for end in ("target", "source")
    )
    seen = attend(target, source, values.reshape(len(source), -1, threads))
    mixed = seen.reshape(values.shape[0], -1, threads) + tensors["graph.value.bias"].swapaxes(1, 2)
    mixed += x
    inside = relu(linear(mixed, {"name": "graph.0"}, tensors, window), {}, tensors, window)
    return x + linear(inside, {"name": "graph.1"}, tensors, window)


def centre(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """``x`` less a mean where measured, 0 elsewhere."""
    return (x - tensors[f"{words['name']}.mean"][:, None]) * window.mask


def nearest(x: Array, words: Words, tensors: Tensors, window: Input) -> Array:
    """The nearest of some centres over what was measured."""
    centres = tensors[f"{words['name']}.centres"]
    kept = window.mask[0]
    distance = np.square(centres) @ kept - 2 * centres @ (x[0] * kept)
    return np.ascontiguousarray(centres[distance.argmin(axis=0)].T)[None]


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
