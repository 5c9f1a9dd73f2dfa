"""Kinds of failed tasks, found without being told: a mixture that gives every task a likelihood.

Given the kind, the failures by code are Dirichlet-multinomial (the same kind shows as a burst of
one code here and of another there), and each fact falls into a bin. Fitted by expectation and
maximisation (Dempster, Laird and Rubin 1977). It is leaner than the mixture that predicts
(:mod:`..arms.latent`): it does not look at which sites they are, because a new site is no new kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.cluster import KMeans

from ..arms.latent import Tally

Floats = NDArray[np.float64]
Bins = NDArray[np.intp]

KINDS: Final = 24  # more than there are; several may share one
STEPS: Final = 40
STEADINESS: Final = 8.0  # what the first Dirichlet parameters of a kind sum to
SMOOTHING: Final = 0.5  # tasks that each bin of each kind is thought to have had (Jeffreys)


@dataclass(frozen=True)
class Likelihood:
    """log P of each task, less what depends on the task alone: of its codes, facts and both."""

    codes: Floats
    facts: Floats
    both: Floats
    likeliest: Bins  # kind


@dataclass(frozen=True, eq=False)
class Kinds:
    """What the kinds are like."""

    log_prior: Floats  # [kinds]
    shape: Floats  # [kinds, codes]: Dirichlet parameters
    log_bins: Floats  # [kinds, facts, bins]

    @classmethod
    def learn(cls, tally: Tally, places: Bins, *, codes: int, bins: int, seed: int = 0) -> Self:
        """Fit to counts by code and bins ``places [tasks, facts]``, of which there are so many."""
        share = tally.shares(codes)
        kinds = min(KINDS, len(np.unique(share, axis=0)))
        near = KMeans(kinds, n_init=1, random_state=seed).fit_predict(np.sqrt(share))
        weights = 0.9 * np.eye(kinds)[near] + 0.1 / kinds
        mean = weights.T @ share + 0.01
        shape = STEADINESS * mean / mean.sum(axis=1, keepdims=True)
        for _ in range(STEPS):
            shape = tally.improved(shape, weights)
            counts = np.stack([weights.T @ np.eye(bins)[column] for column in places.T], axis=1)
            found = cls(
                _log_shares(weights.sum(axis=0) + 1.0), shape, _log_shares(counts + SMOOTHING)
            )
            weights = softmax(found._by_kind(tally, places)[0], axis=1)
        return found

    def likelihood(self, tally: Tally, places: Bins) -> Likelihood:
        """How likely tasks are."""
        both, facts = self._by_kind(tally, places)
        return Likelihood(
            codes=_log_sum(both - facts),
            facts=_log_sum(facts + self.log_prior),
            both=_log_sum(both),
            likeliest=both.argmax(axis=1),
        )

    def _by_kind(self, tally: Tally, places: Bins) -> tuple[Floats, Floats]:
        """log P(kind, codes, facts) and log P(facts | kind), ``[tasks, kinds]``."""
        facts = self.log_bins[:, np.arange(places.shape[1]), places].sum(axis=2).T
        return self.log_prior + tally.log_likelihood(self.shape) + facts, facts

    def shared(self, share: float) -> Floats:
        """Of each code, the parameter that all kinds but ``share`` of them, by weight, reach."""
        order = self.shape.argsort(axis=0)
        place = (np.exp(self.log_prior)[order].cumsum(axis=0) >= share).argmax(axis=0)
        columns = np.arange(self.shape.shape[1])
        return np.asarray(self.shape[order[place, columns], columns])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it learned, by name."""
        return {"log_prior": self.log_prior, "shape": self.shape, "log_bins": self.log_bins}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], codes: int, facts: int, bins: int) -> Self:
        """Read :meth:`arrays` back; KeyError or ValueError where they are of another mixture."""
        found = cls(*(arrays[name] for name in ("log_prior", "shape", "log_bins")))
        kinds = found.log_prior.size
        wanted = ((kinds,), (kinds, codes), (kinds, facts, bins))
        got = (found.log_prior.shape, found.shape.shape, found.log_bins.shape)
        if got != wanted or not kinds or not np.all((found.shape > 0) & np.isfinite(found.shape)):
            raise ValueError("kinds of another mixture")
        return found


def _log_shares(counts: Floats) -> Floats:
    return np.asarray(np.log(counts / counts.sum(axis=-1, keepdims=True)))


def _log_sum(by_kind: Floats) -> Floats:
    return np.asarray(logsumexp(by_kind, axis=1))
