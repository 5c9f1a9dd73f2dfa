"""A partial-wave fit, as nuclear physics does them: complex amplitudes, maximum likelihood.

Events are angles of a two-body decay. Their intensity is the squared modulus of a sum of partial
waves, whose complex strengths are fitted again and again until the time is up.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is loaded: one job, one thread

import numpy as np  # noqa: E402
from numpy.polynomial import legendre  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

WAVES = 4  # S, P, D, F


def intensity(strengths: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """``|sum of strength * wave|**2`` for each event; strengths are real parts, then imaginary."""
    amplitudes = (strengths[:WAVES] + 1j * strengths[WAVES:]) @ waves
    return np.asarray(np.abs(amplitudes) ** 2)


def partial_waves(cosines: np.ndarray) -> np.ndarray:
    """Legendre polynomials weighted by their spin, ``[waves, events]``."""
    spins = np.arange(WAVES)
    return np.asarray(legendre.legvander(cosines, WAVES - 1).T * (2 * spins + 1)[:, None])


def generate(events: int, truth: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Cosines distributed as ``truth`` says, by acceptance and rejection."""
    cosines = generator.uniform(-1, 1, events * 20)
    weights = intensity(truth, partial_waves(cosines))
    accepted = cosines[generator.uniform(0, weights.max(), cosines.size) < weights]
    return np.asarray(accepted[:events])


def fit_once(
    data: np.ndarray, phase_space: np.ndarray, generator: np.random.Generator
) -> tuple[float, int]:
    """One fit from a random start: negative log-likelihood an event and evaluations."""

    def loss(strengths: np.ndarray) -> float:
        norm = intensity(strengths, phase_space).mean()
        return float(-np.log(intensity(strengths, data) / norm + 1e-12).mean())

    result = minimize(
        loss, generator.normal(size=2 * WAVES), method="BFGS", options={"maxiter": 40}
    )
    return float(result.fun), int(result.nfev)


def main() -> int:
    """Fit for about ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    generator = np.random.default_rng(options.seed)
    truth = generator.normal(size=2 * WAVES)
    data = partial_waves(generate(options.events, truth, generator))
    phase_space = partial_waves(generator.uniform(-1, 1, options.events))
    best, fits, evaluations = np.inf, 0, 0
    while fits == 0 or time.monotonic() < end:
        value, calls = fit_once(data, phase_space, generator)
        best, fits, evaluations = min(best, value), fits + 1, evaluations + calls
    print(f"fit: {fits} fits, {evaluations} evaluations, best -lnL/event {best:.6f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
