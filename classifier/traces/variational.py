"""The variational part: a thread's code is a normal distribution, not a point.

Kingma and Welling (2014). The encoder gives mean and logarithm of the variance of each code; a
drawn code is decoded while learning, the mean when scoring, so that a score is the same each time.
"""

from __future__ import annotations

from .layers import Array, namespace

LARGEST_LOG_VARIANCE = 8.0  # exp() of more leaves what float32 can add up


def split(codes: Array) -> tuple[Array, Array]:
    """Mean and log-variance, each half of the last axis of ``codes``; the latter is bounded."""
    half = codes.shape[-1] // 2
    return codes[..., :half], codes[..., half:].clip(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)


def draw(mean: Array, log_variance: Array, noise: Array) -> Array:
    """``mean + standard deviation * noise``: gradients reach both (reparametrisation)."""
    return mean + namespace(mean).exp(0.5 * log_variance) * noise


def divergence(mean: Array, log_variance: Array) -> Array:
    """Kullback-Leibler divergence from the standard normal, summed over codes: ``[..., rows]``."""
    variance = namespace(mean).exp(log_variance)
    return 0.5 * (mean**2 + variance - 1.0 - log_variance).sum(-1)
