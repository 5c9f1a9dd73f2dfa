"""The graph layer between encoder and decoder: what a thread tells about its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from .attention import attend
from .layers import Array, Layer, Shapes, Weights, linear, namespace, relu


@dataclass(frozen=True)
class GraphLayer:
    """``z'_i = z_i + f(z_i + sum_j a_ij W z_j)``: each thread sees all threads of its node.

    The weights ``a_ij`` are learned attention with several heads, each over its own part of ``W z``
    (Velickovic et al. 2018); ``f`` is two dense layers with ReLU between, and what it says is added
    to what the thread said itself (He et al. 2016). A thread alone on its node attends to itself.
    """

    latent: int
    heads: int

    def shapes(self) -> Shapes:
        """Each layer's size; ``graph.source`` and ``graph.target`` hold one row a head."""
        size, part = self.latent, self.latent // self.heads
        return {
            "graph.value": Layer(size, size, size),
            "graph.source": Layer(self.heads, part, 0),
            "graph.target": Layer(self.heads, part, 0),
            "graph.0": Layer(size, 2 * size, 2 * size),
            "graph.1": Layer(2 * size, size, size),
        }

    def apply(self, weights: Weights, z: Array, there: Array) -> Array:
        """New codes ``[members, windows, threads, latent]`` for ``z``.

        ``there`` is bool ``[members, windows, threads]``: who takes part.
        """
        members, windows, threads, size = z.shape
        mixed = z + self.neighbours(weights, z, there)
        inside = relu(linear(weights, "graph.0", mixed.reshape(members, -1, size)))
        return z + linear(weights, "graph.1", inside).reshape(members, windows, threads, size)

    def neighbours(self, weights: Weights, z: Array, there: Array) -> Array:
        """``sum_j a_ij W z_j`` of each thread, in the shape of ``z``."""
        members, windows, threads, size = z.shape
        flat = z.reshape(members, windows * threads, size) @ weights["graph.value.weight"]
        values = flat.reshape(members, windows, threads, self.heads, -1).swapaxes(2, 3)
        ends = (weights["graph.source.weight"], weights["graph.target.weight"])
        logits = values @ namespace(z).stack(ends, -1)[:, None]
        seen = attend(logits[..., 1], logits[..., 0], values, there[:, :, None])
        seen = seen.swapaxes(2, 3).reshape(members, windows, threads, size)
        return seen + weights["graph.value.bias"][:, None]
