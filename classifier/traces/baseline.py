"""The simple model beside the auto-encoder: principal components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .normalise import Floats

EXPLAINED = 0.9  # share of the variance that the kept components explain
MAX_COMPONENTS = 16


@dataclass(frozen=True)
class PrincipalComponents:
    """Mean ``[inputs]`` and orthonormal components ``[kept, inputs]``."""

    mean: Floats
    components: Floats

    @classmethod
    def fit(cls, samples: Floats) -> PrincipalComponents:
        """From ``[samples, inputs]`` of scaled numbers."""
        mean = samples.mean(axis=0)
        _, singular, rows = np.linalg.svd(samples - mean, full_matrices=False)
        variance = np.cumsum(singular**2)
        kept = 1 + int(np.searchsorted(variance, EXPLAINED * variance[-1]))
        components = rows[: min(kept, MAX_COMPONENTS)]
        return cls(mean.astype(np.float32), np.ascontiguousarray(components, dtype=np.float32))

    def reconstruct(self, samples: Floats) -> Floats:
        """``samples`` projected on the components."""
        projected = (samples - self.mean) @ self.components.T @ self.components + self.mean
        return np.asarray(projected, dtype=np.float32)

    def tensors(self) -> Mapping[str, Floats]:
        """Mean and components."""
        return {"mean": self.mean, "components": self.components}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats], inputs: int) -> PrincipalComponents:
        """Read :meth:`tensors` back; ValueError where shapes do not fit ``inputs``."""
        mean, components = tensors["mean"], tensors["components"]
        if mean.shape != (inputs,) or components.ndim != 2 or components.shape[1] != inputs:
            raise ValueError(f"shapes do not fit {inputs} inputs")
        return cls(mean, components)
