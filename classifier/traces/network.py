"""A network of window models: encoder, graph layer where wanted, decoder; plain or variational."""

from __future__ import annotations

from dataclasses import dataclass

from . import variational
from .conv import ConvCoder
from .dense import DenseCoder
from .graph import GraphLayer
from .layers import Array, Shapes, Weights

CODERS: dict[str, type[DenseCoder] | type[ConvCoder]] = {"dense": DenseCoder, "conv": ConvCoder}


@dataclass(frozen=True)
class Architecture:
    """What a network is made of; ValueError where that makes none."""

    steps: int
    features: int
    coder: str = "dense"
    latent: int = 16
    hidden: int = 64  # units of a dense layer, channels of the first convolution
    variational: bool = False
    graph: bool = False
    heads: int = 4

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        if self.coder not in CODERS:
            raise ValueError(f"{self.coder!r} is no coder; there are {', '.join(CODERS)}")
        if min(self.steps, self.features, self.latent, self.hidden, self.heads) < 1:
            raise ValueError("steps, features, latent, hidden and heads are at least 1")
        if self.graph and self.latent % self.heads:
            raise ValueError(
                f"latent {self.latent} is no multiple of heads {self.heads}; change one of them"
            )


@dataclass(frozen=True)
class Network:
    """Executes an architecture with given weights.

    Windows are ``[members, windows, threads, steps * features]`` of scaled numbers, 0 where not
    measured; ``there`` is bool ``[members, windows, threads]``: who was measured at all.
    """

    architecture: Architecture

    def shapes(self) -> Shapes:
        """Each layer's size, by name."""
        of_graph = self._graph().shapes() if self.architecture.graph else {}
        return {**self._coder().shapes(), **of_graph}

    def tensor_shapes(self) -> dict[str, tuple[int, int]]:
        """Shape of each tensor of one member."""
        layers = self.shapes().items()
        biases = {f"{name}.bias": (1, layer.bias) for name, layer in layers if layer.bias}
        return {**{f"{n}.weight": (layer.inputs, layer.outputs) for n, layer in layers}, **biases}

    def floats_each(self, threads: int) -> int:
        """About how many numbers a member keeps of one window of ``threads`` while learning."""
        a = self.architecture
        of_thread = 4 * a.steps * a.features + 8 * (a.hidden + a.latent)
        if a.coder == "conv":
            of_thread += 8 * a.steps * (a.features + a.hidden)
        pairs = 4 * a.heads * threads * threads if a.graph else 0
        return threads * of_thread + pairs

    def encode(self, weights: Weights, x: Array) -> tuple[Array, Array | None]:
        """Codes ``[members, windows, threads, latent]``; and log-variances if variational."""
        codes = self._coder().encode(weights, x.reshape(x.shape[0], -1, x.shape[-1]))
        codes = codes.reshape(codes.shape[0], *x.shape[1:3], codes.shape[-1])
        return variational.split(codes) if self.architecture.variational else (codes, None)

    def mix(self, weights: Weights, z: Array, there: Array) -> Array:
        """Codes after the graph layer, or as they are where there is none."""
        return self._graph().apply(weights, z, there) if self.architecture.graph else z

    def decode(self, weights: Weights, z: Array) -> Array:
        """Mixed codes to windows as the network would have them."""
        out = self._coder().decode(weights, z.reshape(z.shape[0], -1, z.shape[-1]))
        return out.reshape(*z.shape[:3], out.shape[-1])

    def _coder(self) -> DenseCoder | ConvCoder:
        a = self.architecture
        codes = 2 * a.latent if a.variational else a.latent
        return CODERS[a.coder](a.steps, a.features, codes, a.latent, a.hidden)

    def _graph(self) -> GraphLayer:
        return GraphLayer(self.architecture.latent, self.architecture.heads)
