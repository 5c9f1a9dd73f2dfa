"""Deep arms: auto-encoders of a run's features, several of different seeds, executed by numpy.

Torch is needed to learn (:mod:`.training`), not to score. The score is the squared error of each
measured feature over that error's variance among healthy rows, summed, and averaged over the
networks (Lakshminarayanan, Pritzel and Blundell 2017); a variational network adds how far its
latent distribution is from the prior (Kingma and Welling 2014).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ....parameters import Parametrised
from .arm import Codes, Floats, Progress, Scores, Tensors, filled, same_width

HIDDEN = 64
MAX_GROUPS = 64  # groups that a network is told by name: the largest
SMALLEST_VARIANCE = 1e-3
LAYERS = 4
_AT_ONCE = 16_384


class DeepEncoder(Parametrised):
    """``members`` networks: inputs - 64 - latent - 64 - features; a latent of a quarter of them."""

    def __init__(
        self,
        *,
        variational: bool = False,
        members: int = 5,
        epochs: int = 30,
        batch: int = 512,
        learning_rate: float = 2e-3,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        """Keep the parameters."""
        self.variational = variational
        self.members = members
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.patience = patience
        self.seed = seed
        self.features_ = 0
        self.groups_: NDArray[np.int64] = np.zeros(0, np.int64)
        self.layers_: list[tuple[Floats, Floats]] = []
        self.variance_: Floats = np.zeros((0, 0), np.float32)

    @property
    def latent(self) -> int:
        """Width of the narrow middle."""
        return max(2, self.features_ // 4)

    def fit(self, values: Floats, codes: Codes, *, progress: Progress | None = None) -> Self:
        """Learn; a tenth of the rows stops the training."""
        from .training import train  # torch takes seconds to import and is needed here alone

        self.features_ = values.shape[1]
        known, counts = np.unique(codes[codes >= 0], return_counts=True)
        self.groups_ = np.sort(known[np.argsort(-counts, kind="stable")][:MAX_GROUPS])
        inputs, mask = self._inputs(values, codes)
        learned = train(self, inputs, mask, progress)
        self.layers_, self.variance_ = learned.layers, learned.variance
        return self

    def _inputs(self, values: Floats, codes: Codes) -> tuple[Floats, NDArray[np.bool_]]:
        """Squashed features, what was not measured, and the group; and the mask of features."""
        same_width(values, self.features_)
        mask = np.isfinite(values)
        rows = filled(values)
        squashed = np.sign(rows) * np.log1p(np.abs(rows))
        group = (codes[:, None] == self.groups_[None, :]).astype(np.float32)
        inputs = np.concatenate([squashed, (~mask).astype(np.float32), group], axis=1)
        return inputs.astype(np.float32, copy=False), mask

    def score_samples(self, values: Floats, codes: Codes) -> Scores:
        """``[rows]``, higher = more abnormal."""
        return np.concatenate([part[0] for part in self._run(values, codes)])

    def embed(self, values: Floats, codes: Codes) -> Floats:
        """``[rows, members * latent]``: the narrow middles."""
        return np.concatenate([part[1] for part in self._run(values, codes)])

    def _run(self, values: Floats, codes: Codes) -> list[tuple[Scores, Floats]]:
        starts = range(0, max(1, len(values)), _AT_ONCE)
        return [self._piece(values[b : b + _AT_ONCE], codes[b : b + _AT_ONCE]) for b in starts]

    def _piece(self, values: Floats, codes: Codes) -> tuple[Scores, Floats]:
        inputs, mask = self._inputs(values, codes)
        (w0, b0), (w1, b1), (w2, b2), (w3, b3) = self.layers_
        middle = np.maximum(inputs @ w0 + b0, 0.0) @ w1 + b1
        place = middle[..., : self.latent]
        output = np.maximum(place @ w2 + b2, 0.0) @ w3 + b3
        errors = (output - inputs[:, : self.features_]) ** 2 * mask / self.variance_[:, None, :]
        scores = errors.sum(axis=2, dtype=np.float64)
        if self.variational:
            spread = np.clip(middle[..., self.latent :], -10.0, 10.0)
            scores += (place**2 + np.exp(spread) - 1.0 - spread).sum(axis=2)
        flat = np.concatenate(list(place), axis=1)
        return np.maximum(scores.mean(axis=0), 0.0), flat

    def tensors(self) -> Tensors:
        """Weights ``[members, inputs, outputs]``, biases, variances of errors, known groups."""
        layers = {
            f"{kind}.{place}": tensor
            for place, pair in enumerate(self.layers_)
            for kind, tensor in zip(("weight", "bias"), pair, strict=True)
        }
        return {**layers, "variance": self.variance_, "groups": self.groups_}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back; ValueError where shapes do not fit each other."""
        arm = cls(**params)
        arm.variance_, arm.groups_ = tensors["variance"], tensors["groups"]
        members, arm.features_ = arm.variance_.shape
        widths = arm.widths()
        for place in range(LAYERS):
            weight, bias = tensors[f"weight.{place}"], tensors[f"bias.{place}"]
            wanted = (members, *widths[place])
            if weight.shape != wanted or bias.shape != (members, 1, widths[place][1]):
                raise ValueError(f"layer {place} does not fit {arm.features_} features")
            arm.layers_.append((weight, bias))
        if (arm.variance_ <= 0).any():
            raise ValueError("a variance is not positive")
        return arm

    def widths(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of each layer; a variational middle has a mean and a spread."""
        inputs = 2 * self.features_ + len(self.groups_)
        middle = self.latent * (2 if self.variational else 1)
        return (inputs, HIDDEN), (HIDDEN, middle), (self.latent, HIDDEN), (HIDDEN, self.features_)
