"""The dense encoder and decoder: a window is one long row of numbers."""

from __future__ import annotations

from dataclasses import dataclass

from .layers import Array, Layer, Shapes, Weights, linear, relu


@dataclass(frozen=True)
class DenseCoder:
    """inputs - hidden - codes, and latent - hidden - inputs; ReLU between.

    Rumelhart, Hinton and Williams (1986): the narrow middle forces a summary.
    """

    steps: int
    features: int
    codes: int
    latent: int
    hidden: int

    def shapes(self) -> Shapes:
        """Each layer's size."""
        inputs = self.steps * self.features
        return {
            "encode.0": Layer(inputs, self.hidden, self.hidden),
            "encode.1": Layer(self.hidden, self.codes, self.codes),
            "decode.0": Layer(self.latent, self.hidden, self.hidden),
            "decode.1": Layer(self.hidden, inputs, inputs),
        }

    def encode(self, weights: Weights, x: Array) -> Array:
        """``[members, rows, inputs]`` to ``[members, rows, codes]``."""
        return linear(weights, "encode.1", relu(linear(weights, "encode.0", x)))

    def decode(self, weights: Weights, z: Array) -> Array:
        """``[members, rows, latent]`` to ``[members, rows, inputs]``."""
        return linear(weights, "decode.1", relu(linear(weights, "decode.0", z)))
