"""Making an arm's probabilities honest, by the method that held-out tasks speak for.

Four methods, from the stiffest to the freest:

- ``none``: the probabilities as they are;
- ``temperature``: softmax(log p / T) (Guo et al. 2017, "On calibration of modern neural networks");
- ``offsets``: a temperature and one offset a class, which undoes what oversampling did to the
  shares of the classes (Alexandari et al. 2020, "Maximum likelihood with bias-corrected
  calibration is hard-to-beat at label shift adaptation");
- ``isotonic``: a monotone curve a class, renormalised (Zadrozny and Elkan 2002, "Transforming
  classifier scores into accurate multiclass probability estimates").

A freer one is taken only where cross-validation shows that its log-loss is surely lower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import KFold, StratifiedKFold

from ...artifact import ArtifactError

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

METHODS: Final = ("none", "temperature", "offsets", "isotonic")
FLOOR = 1e-6  # no class is ever ruled out
MIN_TASKS = 20  # fewer cannot choose a method
MIN_POSITIVES = 25  # of a class, or an isotonic curve of it is noise
FOLDS = 5
STANDARD_ERRORS = 1.0  # by which a freer method must be better
HOLD = 1.0  # weight of the pull of each offset towards 0, in tasks: rare classes need it
_DAMAGED = "calibration: damaged; train the model anew"


@dataclass(frozen=True)
class Curve:
    """A monotone map of probabilities by its knots, straight between them."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """The map from an arm's probabilities to honest ones. What a method does not use is empty."""

    method: str = "none"
    temperature: float = 1.0
    offsets: tuple[float, ...] = ()  # log-odds, one a class
    curves: tuple[Curve, ...] = ()  # one a class

    @classmethod
    def fit(cls, probabilities: Floats, labels: Labels) -> Calibration:
        """Choose and fit a method on tasks that the arm was not fitted on.

        ``probabilities [tasks, classes]``; ``labels [tasks]`` are numbers of classes. With fewer
        than 20 tasks or one class nothing is changed. ValueError where the shapes do not agree.
        """
        p, y = _checked(probabilities, labels)
        if len(y) < MIN_TASKS or len(np.unique(y)) < 2:
            return cls()
        losses = {method: _held_out_losses(method, p, y) for method in _allowed(p, y)}
        chosen = "none"
        for method, loss in losses.items():
            gain = losses[chosen] - loss
            if gain.mean() > STANDARD_ERRORS * gain.std() / np.sqrt(len(gain)):
                chosen = method
        return _FITTERS[chosen](p, y)

    def apply(self, probabilities: Floats) -> Floats:
        """The calibrated probabilities; rows sum to 1 and no class has 0."""
        p = _floored(np.asarray(probabilities, dtype=np.float64))
        if self.method == "isotonic":
            columns = zip(p.T, self.curves, strict=True)
            mapped = [np.interp(column, curve.x, curve.y) for column, curve in columns]
            return _floored(np.stack(mapped, axis=1))
        if self.method == "none":
            return p
        offsets = np.asarray(self.offsets) if self.offsets else 0.0
        return _floored(softmax(np.log(p) / self.temperature + offsets, axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "method": self.method,
            "temperature": self.temperature,
            "offsets": list(self.offsets),
            "curves": [{"x": list(curve.x), "y": list(curve.y)} for curve in self.curves],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibration:
        """Read :meth:`to_dict` back; ArtifactError where it is damaged."""
        try:
            method, temperature = document["method"], float(document["temperature"])
            offsets = tuple(float(value) for value in document["offsets"])
            curves = tuple(
                Curve(tuple(map(float, curve["x"])), tuple(map(float, curve["y"])))
                for curve in document["curves"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(_DAMAGED) from error
        sound = method in METHODS and 0 < temperature < np.inf and bool(np.isfinite(offsets).all())
        if not sound or not all(_is_monotone(curve) for curve in curves):
            raise ArtifactError(_DAMAGED)
        return cls(method, temperature, offsets, curves)


def _is_monotone(curve: Curve) -> bool:
    knots = np.array([curve.x, curve.y]) if len(curve.x) == len(curve.y) else np.empty((2, 0))
    return knots.size > 0 and bool(np.isfinite(knots).all() and (np.diff(knots) >= 0).all())


def _checked(probabilities: Floats, labels: Labels) -> tuple[Floats, Labels]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.intp)
    if p.ndim != 2 or y.shape != (len(p),) or (y.size and not 0 <= y.min() <= y.max() < p.shape[1]):
        raise ValueError(f"labels {y.shape} do not fit probabilities {p.shape}: one class a row")
    return _floored(p), y


def _floored(p: Floats) -> Floats:
    kept = np.maximum(p, FLOOR)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True), dtype=np.float64)


def _allowed(p: Floats, y: Labels) -> tuple[str, ...]:
    counts = np.bincount(y, minlength=p.shape[1])
    return METHODS if (counts >= MIN_POSITIVES).sum() >= 2 else METHODS[:3]


def _held_out_losses(method: str, p: Floats, y: Labels) -> Floats:
    """The log-loss of each task under a fit on the other folds, in nats."""
    rarest = np.bincount(y)[np.unique(y)].min()
    kind = StratifiedKFold if rarest >= FOLDS else KFold
    losses = np.empty(len(y))
    for rest, held in kind(FOLDS, shuffle=True, random_state=0).split(p, y):
        honest = _FITTERS[method](p[rest], y[rest]).apply(p[held])
        losses[held] = -np.log(honest[np.arange(len(held)), y[held]])
    return losses


def _fit_temperature(p: Floats, y: Labels) -> Calibration:
    logs, rows = np.log(p), np.arange(len(y))

    def loss(log_t: float) -> float:
        return -float(log_softmax(logs / np.exp(log_t), axis=1)[rows, y].mean())

    best = minimize_scalar(loss, bounds=(np.log(0.25), np.log(8.0)), method="bounded")
    return Calibration("temperature", temperature=float(np.exp(best.x)))


def _fit_offsets(p: Floats, y: Labels) -> Calibration:
    """Temperature and offsets together; a pull towards 0 keeps unseen classes in place."""
    logs, rows = np.log(p), np.arange(len(y))
    classes = p.shape[1]
    told = np.eye(classes)[y]

    def loss(at: Floats) -> tuple[float, Floats]:
        margins = logs * at[0] + at[1:]
        over = softmax(margins, axis=1) - told
        value = -log_softmax(margins, axis=1)[rows, y].sum() + HOLD / 2 * (at[1:] ** 2).sum()
        slope = np.concatenate([[(over * logs).sum()], over.sum(axis=0) + HOLD * at[1:]])
        return float(value) / len(y), slope / len(y)

    start = np.concatenate([[1.0], np.zeros(classes)])
    bounds = [(1 / 8.0, 4.0), *[(-10.0, 10.0)] * classes]
    best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return Calibration("offsets", 1.0 / float(best.x[0]), tuple(map(float, best.x[1:])))


def _fit_isotonic(p: Floats, y: Labels) -> Calibration:
    """A curve a class; a class with too few examples keeps its probabilities."""
    return Calibration("isotonic", curves=tuple(_curve(p[:, c], y == c) for c in range(p.shape[1])))


def _curve(p: Floats, is_class: NDArray[np.bool_]) -> Curve:
    n, positives = len(p), int(is_class.sum())
    if positives < MIN_POSITIVES or n - positives < MIN_POSITIVES:
        return Curve((0.0, 1.0), (0.0, 1.0))
    share = positives / n
    least, most = share / (n + 1), 1 - (1 - share) / (n + 1)  # one more task, of the usual kind
    fit = IsotonicRegression(y_min=least, y_max=most, out_of_bounds="clip").fit(p, is_class)
    knots = (np.maximum.accumulate(part) for part in (fit.X_thresholds_, fit.y_thresholds_))
    return Curve(*(tuple(map(float, part)) for part in knots))


_FITTERS: Final = {
    "none": lambda p, y: Calibration(),
    "temperature": _fit_temperature,
    "offsets": _fit_offsets,
    "isotonic": _fit_isotonic,
}
