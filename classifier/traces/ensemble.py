"""Auto-encoders of windows: one network or an ensemble of several, behind the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..parameters import Parametrised
from .estimator import (
    SHAPE,
    Progress,
    Scores,
    Tensors,
    UnfittedError,
    check,
    in_blocks,
    mean_errors,
    measured,
    present,
)
from .network import Architecture, Network
from .normalise import Floats, Mask
from .variational import draw

USUAL_HIDDEN = {"dense": 64, "conv": 16}
_OF_NETWORK = [field.name for field in fields(Architecture)[2:]]
_OF_PLAN = ("epochs", "batch", "learning_rate", "patience", "noise", "device")
Place = tuple[NDArray[np.intp], NDArray[np.intp]]  # windows and threads of rows, broadcast


@dataclass(frozen=True)
class Piece:
    """A part of what is scored: ``[rows, threads, steps, features]`` and where it belongs."""

    place: Place
    values: Floats
    mask: Mask

    @property
    def flat(self) -> Floats:
        """``[1, rows, threads, steps * features]``: what networks read."""
        return self.values.reshape(1, *self.values.shape[:2], -1)

    @property
    def there(self) -> Mask:
        """``[rows, threads]``: who was measured at all."""
        return present(self.mask)


class AutoEncoder(Parametrised):
    """Learns to put windows together again; the score is the mean squared error of that.

    ``members`` networks that differ in their seed are trained at once, and their errors averaged
    (Lakshminarayanan, Pritzel and Blundell 2017). Torch is needed to learn, numpy alone to score.
    """

    explains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        coder: str = "dense",
        latent: int = 16,
        hidden: int = 0,
        variational: bool = False,
        graph: bool = False,
        heads: int = 4,
        members: int = 1,
        seed: int = 0,
        epochs: int = 200,
        batch: int = 128,
        learning_rate: float = 2e-3,
        patience: int = 15,
        noise: float = 0.1,
        device: str = "auto",
    ) -> None:
        """Keep the parameters; ``hidden`` 0 is the coder's usual. ValueError where they cannot be.

        ``batch`` counts threads; ``noise`` is the variance of a variational decoder.
        """
        self.coder, self.latent, self.hidden = coder, latent, hidden or USUAL_HIDDEN.get(coder, 64)
        self.variational, self.graph, self.heads = variational, graph, heads
        self.members, self.seed, self.epochs, self.batch = members, seed, epochs, batch
        self.learning_rate, self.patience, self.noise = learning_rate, patience, noise
        self.device = device
        self.network_: Network | None = None
        self.weights_: dict[str, NDArray[Any]] = {}
        self._architecture(1, 1)
        if min(members, batch, patience) < 1 or epochs < 0:
            raise ValueError("members, batch and patience are at least 1, epochs at least 0")

    @property
    def together(self) -> bool:
        """With the graph layer."""
        return self.graph

    def fit(
        self,
        values: Floats,
        mask: Mask,
        *,
        validation: tuple[Floats, Mask] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn; it stops by the error on what it learns from where nothing is held out."""
        from .training import Part, Plan, train  # torch takes seconds to import

        values, mask = measured(values, mask)
        self.network_ = Network(self._architecture(*values.shape[2:]))
        learned = Part.of(*self._rows(values, mask)[1:])
        if not len(learned.values):
            raise ValueError("no window with a measured thread: there is nothing to learn from")
        held = learned
        if validation is not None:
            other = measured(*validation, (values.shape[2], values.shape[3]))
            part = Part.of(*self._rows(*other)[1:])
            held = part if len(part.values) else learned
        plan = Plan(
            seeds=tuple(range(self.seed, self.seed + self.members)),
            **{name: getattr(self, name) for name in _OF_PLAN},
        )
        self.weights_ = train(self.network_, learned, held, plan, progress)
        return self

    def score_samples(self, values: Floats, mask: Mask) -> Scores:
        """``[windows, threads]``: the members' mean error over what was measured; NaN without."""
        scores = np.full(values.shape[:2], np.nan)
        for piece in self._pieces(values, mask):
            scores[piece.place] = mean_errors(self._squares(piece).mean(axis=0), piece.mask)
        return scores

    def errors(self, values: Floats, mask: Mask) -> Scores:
        """Squared error of each number, mean of the members; 0 where not measured."""
        found = np.zeros(values.shape)
        for piece in self._pieces(values, mask):
            found[piece.place] = self._squares(piece).mean(axis=0)
        return found

    def embed(self, values: Floats, mask: Mask) -> Floats:
        """``[windows, threads, members * latent]``: what the decoder reads, member by member."""
        latent = self.members * self.latent
        found = np.full((*values.shape[:2], latent), np.nan, dtype=np.float32)
        for piece in self._pieces(values, mask):
            network = self._fitted()
            codes = network.encode(self.weights_, piece.flat)[0]
            mixed = network.mix(self.weights_, codes, piece.there[None])
            whole = np.moveaxis(mixed, 0, 2).reshape(*piece.there.shape, latent)
            found[piece.place] = np.where(piece.there[..., None], whole, np.nan)
        return found

    def uncertainty(self, values: Floats, mask: Mask, *, draws: int = 16) -> Scores:
        """``[windows, threads]``: standard deviation of the score over members and drawn codes.

        ValueError for one plain network, which has no other opinion to differ from.
        """
        if self.members == 1 and not self.variational:
            raise ValueError("one plain auto-encoder knows no uncertainty: use more members")
        random = np.random.default_rng(self.seed)
        spread = np.full(values.shape[:2], np.nan)
        for piece in self._pieces(values, mask):
            opinions = [
                mean_errors(member, piece.mask)
                for _ in range(draws if self.variational else 1)
                for member in self._squares(piece, random)
            ]
            spread[piece.place] = np.std(opinions, axis=0)
        return spread

    def tensors(self) -> Tensors:
        """The stacked weights, and steps and features of the windows."""
        architecture = self._fitted().architecture
        shape = np.array([architecture.steps, architecture.features], dtype=np.int64)
        return {SHAPE: shape, **self.weights_}

    @classmethod
    def from_tensors(cls, params: Mapping[str, Any], tensors: Tensors) -> Self:
        """Read :meth:`tensors` back; ValueError where shapes do not fit each other."""
        model = cls(**params)
        steps, features = (int(number) for number in tensors[SHAPE])
        model.network_ = Network(model._architecture(steps, features))
        for name, shape in model.network_.tensor_shapes().items():
            weight = tensors[name]
            if weight.shape != (model.members, *shape) or weight.dtype != np.float32:
                raise ValueError(f"{name} does not fit {steps} steps of {features} features")
            model.weights_[name] = weight
        return model

    def _architecture(self, steps: int, features: int) -> Architecture:
        return Architecture(steps, features, **{name: getattr(self, name) for name in _OF_NETWORK})

    def _fitted(self) -> Network:
        if self.network_ is None or not self.weights_:
            raise UnfittedError
        return self.network_

    def _rows(self, values: Floats, mask: Mask) -> tuple[Place, Floats, Mask]:
        """Windows with their places; without a graph layer each measured thread is one alone."""
        there = present(mask)
        if self.graph:
            windows = np.flatnonzero(there.any(axis=1))[:, None]
            place = (windows, np.arange(there.shape[1])[None])
        else:
            rows, threads = np.nonzero(there)
            place = (rows[:, None], threads[:, None])
        return place, values[place], mask[place]

    def _pieces(self, values: Floats, mask: Mask) -> Iterator[Piece]:
        network = self._fitted()
        shape = network.architecture.steps, network.architecture.features
        check(values, mask, shape)
        each = self.members * network.floats_each(values.shape[1])
        for block, some, kept in in_blocks(values, mask, shape, each):
            (windows, threads), rows, counted = self._rows(some, kept)
            if len(rows):
                yield Piece((windows + block.start, threads), rows, counted)

    def _squares(self, piece: Piece, random: np.random.Generator | None = None) -> Scores:
        """``[members, *values.shape]`` of squared errors, 0 where not measured."""
        network = self._fitted()
        z, log_variance = network.encode(self.weights_, piece.flat)
        if random is not None and log_variance is not None:
            z = draw(z, log_variance, random.standard_normal(z.shape, dtype=np.float32))
        out = network.decode(self.weights_, network.mix(self.weights_, z, piece.there[None]))
        error = out.reshape(self.members, *piece.values.shape) - piece.values
        return np.asarray(np.square(error, dtype=np.float64) * piece.mask)
