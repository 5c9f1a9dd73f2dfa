"""A dense auto-encoder: four layers with a narrow middle, executed by numpy.

Torch is needed for training alone (:mod:`.training`), so a service that only scores never loads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .normalise import Floats

HIDDEN = 64
MIDDLE = 16
LAYERS = 4


@dataclass(frozen=True)
class AutoEncoder:
    """inputs - 64 - 16 - 64 - inputs; ``weights[i]`` is ``[outputs, inputs]`` of layer ``i``."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def reconstruct(self, samples: Floats) -> Floats:
        """``samples`` through the narrow middle and back; ReLU after all layers but the last."""
        values = samples
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weight.T + bias
            if layer < LAYERS - 1:
                values = np.maximum(values, 0.0)
        return np.asarray(values, dtype=np.float32)

    def tensors(self) -> Mapping[str, Floats]:
        """Weights and biases by layer."""
        weights = {f"weight.{layer}": weight for layer, weight in enumerate(self.weights)}
        return {**weights, **{f"bias.{layer}": bias for layer, bias in enumerate(self.biases)}}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats], inputs: int) -> AutoEncoder:
        """Read :meth:`tensors` back; ValueError where shapes do not fit ``inputs``."""
        widths = layer_widths(inputs)
        weights = tuple(tensors[f"weight.{layer}"] for layer in range(LAYERS))
        biases = tuple(tensors[f"bias.{layer}"] for layer in range(LAYERS))
        for layer in range(LAYERS):
            wanted = (widths[layer + 1], widths[layer])
            if weights[layer].shape != wanted or biases[layer].shape != wanted[:1]:
                raise ValueError(f"layer {layer} does not fit {inputs} inputs")
        return cls(weights, biases)


def layer_widths(inputs: int) -> tuple[int, ...]:
    """Numbers of units from the input to the output."""
    return (inputs, HIDDEN, MIDDLE, HIDDEN, inputs)
