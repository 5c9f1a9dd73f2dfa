"""Attention of a leaky ReLU from running sums: T log T steps for T threads, not T².

On each side of its corner the leaky ReLU is linear, so its exponential is a product of what thread
i knows and what thread j knows. With the sources in rising order, the threads below i's corner are
the first ones, those above it the last: two running sums and one search per thread hold all there
is to add up. All weights are positive, and only differences from the largest exponent of a row are
raised to a power, so nothing cancels or leaves the range of float32. The trainer has the same in
torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any  # of layers.py, which stands on this
SLOPE = np.float32(0.2)  # of the leaky ReLU below zero, as in the paper


def attend(target: Array, source: Array, values: Array) -> Array:
    """``sum_j softmax_j(leaky_relu(target_i + source_j)) values_j`` (Velickovic et al. 2018).

    ``target`` and ``source`` are ``[lists, threads]``; ``values``, and what is told, are ``[lists,
    channels, threads]``. Each list, of one member and one head, is by itself.
    """
    lists, channels, threads = values.shape
    rows = np.ones((lists, threads, channels + 1), np.float32)  # the ones count the weights
    rows[..., :channels] = values.swapaxes(1, 2)
    rows = _chosen(rows, source.argsort(axis=1))
    source = np.sort(source, axis=1)
    last = source[:, -1:]
    away = source - last
    below, above = np.zeros((2, lists, threads + 1, channels + 1), np.float32)
    np.cumsum(rows * np.exp(SLOPE * away)[..., None], axis=1, out=below[:, 1:])
    rows *= np.exp(away)[..., None]
    np.cumsum(rows[:, ::-1], axis=1, out=above[:, -2::-1])
    corner = np.array([of.searchsorted(at) for of, at in zip(source, -target)])
    reach = target + last
    peak = np.maximum(reach, SLOPE * reach)
    whole = _chosen(below, corner) * np.exp(SLOPE * reach - peak)[..., None]
    whole += _chosen(above, corner) * np.exp(reach - peak)[..., None]
    return (whole[..., :channels] / whole[..., channels:]).swapaxes(1, 2)


def _chosen(rows: Array, places: Array) -> Array:
    """``rows[list, places[list, i]]`` of ``[lists, length, channels]``."""
    lists, length, channels = rows.shape
    start = np.arange(0, lists * length, length)[:, None]
    return rows.reshape(-1, channels).take(places + start, axis=0)
