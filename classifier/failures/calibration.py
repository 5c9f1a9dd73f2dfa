"""Making a model's probabilities honest: one temperature, fitted on a held-out part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Floats = NDArray[np.float64]


def log_loss(margins: Floats, labels: NDArray[np.intp], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of ``labels`` under softmax(margins / temperature), in nats."""
    logs = log_softmax(margins / temperature, axis=1)
    return float(-logs[np.arange(len(labels)), labels].mean())


def fit_temperature(margins: Floats, labels: NDArray[np.intp]) -> float:
    """The temperature (1/4..8) that makes ``margins`` fit held-out ``labels`` best."""
    best = minimize_scalar(
        lambda log_t: log_loss(margins, labels, float(np.exp(log_t))),
        bounds=(np.log(0.25), np.log(8.0)),
        method="bounded",
    )
    return float(np.exp(best.x))
