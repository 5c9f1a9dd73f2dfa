"""What a model of healthy traces offers: it puts a sample together again as far as it knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .normalise import Floats


class Reconstruction(Protocol):
    """Law: what it was fitted on comes back nearly whole, what is strange does not."""

    def reconstruct(self, samples: Floats) -> Floats:
        """``[samples, inputs]`` of scaled numbers, as the model would have them."""

    def tensors(self) -> Mapping[str, Floats]:
        """What was learned, by name; it can be made again from these alone."""
