"""A partial-wave fit, as nuclear physics does them: complex amplitudes, maximum likelihood.

Events are angles of a two-body decay. Their intensity is the squared modulus of a sum of partial
waves, whose complex strengths are fitted again and again until the time is up. With several threads
each sums the likelihood of its share of the events.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is loaded: the threads are --threads alone

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


class Likelihood:
    """Negative log-likelihood an event, its sums spread over the threads of a pool."""

    def __init__(
        self, data: np.ndarray, phase_space: np.ndarray, threads: int, pool: ThreadPoolExecutor
    ) -> None:
        """Cut the events, ``[waves, events]``, into one piece a thread."""
        self._pieces = [
            (np.ascontiguousarray(some), np.ascontiguousarray(space))
            for some, space in zip(
                np.array_split(data, threads, axis=1),
                np.array_split(phase_space, threads, axis=1),
                strict=True,
            )
        ]
        self._events = data.shape[1]
        self._pool = pool

    def __call__(self, strengths: np.ndarray) -> float:
        """The value for these strengths, normalised by the mean over the phase space."""

        def sums(piece: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
            logs = np.log(intensity(strengths, piece[0]) + 1e-12).sum()
            return float(logs), float(intensity(strengths, piece[1]).sum())

        found = list(self._pool.map(sums, self._pieces))
        logs, space = (sum(column) for column in zip(*found, strict=True))
        events = sum(piece[1].shape[1] for piece in self._pieces)
        return float(np.log(space / events + 1e-12) - logs / self._events)


def fit_once(loss: Likelihood, generator: np.random.Generator) -> tuple[float, int]:
    """One fit from a random start: negative log-likelihood an event and evaluations."""
    result = minimize(
        loss, generator.normal(size=2 * WAVES), method="BFGS", options={"maxiter": 40}
    )
    return float(result.fun), int(result.nfev)


def main() -> int:
    """Fit for about ``--seconds``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    generator = np.random.default_rng(options.seed)
    truth = generator.normal(size=2 * WAVES)
    data = partial_waves(generate(options.events, truth, generator))
    phase_space = partial_waves(generator.uniform(-1, 1, options.events))
    best, fits, evaluations = np.inf, 0, 0
    with ThreadPoolExecutor(options.threads) as pool:
        loss = Likelihood(data, phase_space, options.threads, pool)
        while fits == 0 or time.monotonic() < end:
            value, calls = fit_once(loss, generator)
            best, fits, evaluations = min(best, value), fits + 1, evaluations + calls
    print(f"fit: {fits} fits, {evaluations} evaluations, best -lnL/event {best:.6f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
