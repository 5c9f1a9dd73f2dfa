"""What makes a window odd: the features, the stretch of time and the threads with the error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .alarms import Scores

Share = tuple[str, float]
MOST = 0.5  # of the error lies in the stretch that is told


@dataclass(frozen=True)
class Explanation:
    """Shares of the error, the largest first; ``begin`` and ``end`` count steps, end exclusive.

    ``stretch`` is the share of the steps from ``begin`` to ``end``, the fewest in a row that hold
    half of the error.
    """

    features: tuple[Share, ...]
    threads: tuple[tuple[int, float], ...]
    begin: int
    end: int
    stretch: float

    def words(self, step_seconds: float, most: int = 3) -> str:
        """In words: at most ``most`` features, and when; empty where there is no error."""
        if not self.features:
            return ""
        named = ", ".join(f"{name} {share:.0%}" for name, share in self.features[:most])
        first, last = self.begin * step_seconds, self.end * step_seconds
        return f"{named}; {self.stretch:.0%} of it from second {first:g} to {last:g}"


def explain(errors: Scores, threads: Sequence[int], features: Sequence[str]) -> Explanation:
    """Of squared errors ``[threads, steps, features]`` that are 0 where nothing was measured.

    NaN counts as 0. ValueError where names and numbers do not fit.
    """
    if errors.ndim != 3 or errors.shape[::2] != (len(threads), len(features)):
        raise ValueError(
            f"errors of shape {list(errors.shape)} for {len(threads)} threads "
            f"and {len(features)} features"
        )
    known = np.nan_to_num(errors, nan=0.0)
    total = float(known.sum())
    if not total > 0:
        return Explanation((), (), 0, 0, 0.0)
    shares = known / total
    begin, end = shortest(shares.sum(axis=(0, 2)), MOST)
    of_features, of_threads = shares.sum(axis=(0, 1)), shares.sum(axis=(1, 2))
    return Explanation(
        tuple((features[place], share) for place, share in _ranked(of_features)),
        tuple((threads[place], share) for place, share in _ranked(of_threads)),
        begin,
        end,
        float(shares.sum(axis=(0, 2))[begin:end].sum()),
    )


def shortest(shares: Scores, wanted: float) -> tuple[int, int]:
    """The shortest stretch ``[begin, end)`` of ``[steps]`` that sums to ``wanted``.

    The fullest of several of one length. All where the sum is less.
    """
    summed = np.concatenate([[0.0], np.cumsum(shares)])
    for length in range(1, len(shares)):
        sums = summed[length:] - summed[:-length]
        if sums.max() >= wanted - 1e-12:
            begin = int(sums.argmax())
            return begin, begin + length
    return 0, len(shares)


def _ranked(shares: Scores) -> list[tuple[int, float]]:
    """Places and shares above 0, the largest first."""
    order = np.argsort(-shares, kind="stable")
    return [(int(place), float(shares[place])) for place in order if shares[place] > 0]
