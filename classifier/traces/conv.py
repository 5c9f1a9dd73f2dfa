"""The convolutional encoder and decoder: the same filters at every step of a window."""

from __future__ import annotations

from dataclasses import dataclass

from .layers import Array, Layer, Shapes, Weights, double, halve, linear, namespace, relu

QUARTER = 4  # two convolutions of stride 2


@dataclass(frozen=True)
class ConvCoder:
    """Two convolutions of width 4 and stride 2, a dense layer to the codes, and all of it back.

    Dumoulin and Visin (2016) have the arithmetic of strided convolutions and their transposes.
    Windows whose steps are no multiple of 4 are filled with zeros at the end, and cut again.
    """

    steps: int
    features: int
    codes: int
    latent: int
    hidden: int  # channels after the first convolution; the second has twice as many

    def shapes(self) -> Shapes:
        """Each layer's size, a convolution's as that of its matrix."""
        narrow, wide = self.hidden, 2 * self.hidden
        middle = wide * self._quarter()
        return {
            "encode.0": Layer(4 * self.features, narrow, narrow),
            "encode.1": Layer(4 * narrow, wide, wide),
            "encode.2": Layer(middle, self.codes, self.codes),
            "decode.0": Layer(self.latent, middle, middle),
            "decode.1": Layer(wide, 4 * narrow, narrow),
            "decode.2": Layer(narrow, 4 * self.features, self.features),
        }

    def encode(self, weights: Weights, x: Array) -> Array:
        """``[members, rows, inputs]`` to ``[members, rows, codes]``."""
        values = self._filled(x.reshape(*x.shape[:2], self.steps, self.features))
        values = relu(halve(weights, "encode.0", values))
        values = relu(halve(weights, "encode.1", values))
        return linear(weights, "encode.2", values.reshape(*values.shape[:2], -1))

    def decode(self, weights: Weights, z: Array) -> Array:
        """``[members, rows, latent]`` to ``[members, rows, inputs]``."""
        values = relu(linear(weights, "decode.0", z))
        values = values.reshape(*values.shape[:2], self._quarter(), 2 * self.hidden)
        values = relu(double(weights, "decode.1", values))
        values = double(weights, "decode.2", values)[:, :, : self.steps]
        return values.reshape(*values.shape[:2], self.steps * self.features)

    def _quarter(self) -> int:
        return -(-self.steps // QUARTER)

    def _filled(self, x: Array) -> Array:
        missing = self._quarter() * QUARTER - self.steps
        if not missing:
            return x
        xp = namespace(x)
        edge = xp.zeros_like(x[:, :, :1])
        return xp.concatenate((x, *[edge] * missing), 2)
