"""A mixture of latent causes: what kinds of failed tasks there are, learned without being told.

A task has one of so many causes. Given the cause,

- its failures by code are Dirichlet-multinomial: the same cause shows as a burst of one code here
  and of another there; likewise its sites by status;
- its sites are drawn with the cause's shares, as far as causes differ in their sites at all;
- each factor, such as how many sites fail or how much of it one site has, falls into a bin.

The answer is one more factor while fitting; afterwards it is what is asked. Fitted by expectation
and maximisation (Dempster, Laird and Rubin 1977); the step of the Dirichlet-multinomial is Minka's
fixed point (2000, "Estimating a Dirichlet distribution").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.special import digamma, gammaln, log_softmax, softmax
from sklearn.cluster import KMeans

from .arm import Floats
from .labelled import Labels

STEPS = 40
FIXED_POINTS = 3  # steps of Minka's iteration in each of the others
SMOOTHING = 0.5  # counts that each word is thought to have had (Jeffreys)
ANSWERED = 2.0  # tasks that each cause is thought to have had, answered as all together are
STEADINESS = 8.0  # what the first causes' Dirichlet parameters sum to
LEAST, MOST = 1e-3, 1e3  # of a Dirichlet's parameters
ALIKE = (0.0, 14.0)  # logarithm of how many counts each cause is thought to have had, like all
IMPOSSIBLE = -12.0  # logarithm of the least probability that is told apart

Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Tally:
    """Counts by word, of tasks. ``words[p]`` and ``counts[p]`` are the different pairs.

    ``pairs`` tells which of them each task has. There are far fewer pairs than cells, which is
    what makes the steps quick.
    """

    pairs: csr_matrix  # [tasks, pairs], 0 or 1
    words: Ints
    counts: Floats
    totals: Floats  # [tasks]

    @classmethod
    def of(cls, counts: csr_matrix) -> Tally:
        """Of ``[tasks, words]``."""
        both = np.column_stack([counts.indices.astype(float), counts.data])
        different, place = np.unique(both, axis=0, return_inverse=True)
        shape = (counts.shape[0], len(different))
        pairs = csr_matrix((np.ones(counts.nnz), place.ravel(), counts.indptr), shape=shape)
        totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        return cls(pairs, different[:, 0].astype(np.intp), different[:, 1], totals)

    def log_likelihood(self, shape: Floats) -> Floats:
        """Dirichlet-multinomial, less what all causes share: ``[tasks, causes]``."""
        here, sums = shape[:, self.words], shape.sum(axis=1)
        by_pair = gammaln(here + self.counts) - gammaln(here)
        by_total = gammaln(sums) - gammaln(sums + self.totals[:, None])
        return np.asarray(self.pairs @ by_pair.T + by_total)

    def improved(self, shape: Floats, weights: Floats) -> Floats:
        """A few of Minka's steps for each cause, tasks weighted by belonging to it."""
        belonging = (self.pairs.T @ weights).T  # [causes, pairs]
        places = (np.arange(len(self.words)), self.words)
        words = csr_matrix((np.ones(len(self.words)), places), (len(self.words), shape.shape[1]))
        for _ in range(FIXED_POINTS):
            here, sums = shape[:, self.words], shape.sum(axis=1)
            rise = (words.T @ (belonging * (digamma(here + self.counts) - digamma(here))).T).T
            all_rise = digamma(sums + self.totals[:, None]) - digamma(sums)
            whole = np.maximum((weights * all_rise).sum(axis=0), 1e-9)
            shape = np.clip(shape * rise / whole[:, None], LEAST, MOST)
        return shape

    def shares(self, words: int) -> Floats:
        """Share of each of ``words`` in each task, dense."""
        table = np.zeros((len(self.totals), words))
        tasks, places = self.pairs.nonzero()
        table[tasks, self.words[places]] = self.counts[places]
        return np.asarray(table / np.maximum(self.totals, 1.0)[:, None])


@dataclass(frozen=True)
class Seen:
    """What the mixture looks at, of tasks."""

    codes: Tally  # failures by code
    statuses: Tally  # sites by status
    sites: csr_matrix  # [tasks, sites]: 1 where it fails
    bins: Ints  # [tasks, factors]


@dataclass(frozen=True)
class Sizes:
    """How many words, sites, factors and bins there may be."""

    codes: int
    statuses: int
    sites: int
    factors: int
    bins: int


@dataclass(frozen=True)
class LatentCauses:
    """What the causes are like; every array has the causes first."""

    log_prior: Floats
    codes: Floats  # Dirichlet parameters
    statuses: Floats  # likewise
    sites: Floats  # log share of each site, less that of all causes together
    bins: Floats  # likewise, [causes, factors, bins]

    @classmethod
    def learn(
        cls, seen: Seen, answers: Labels, causes: int, sizes: Sizes, seed: int = 0
    ) -> LatentCauses:
        """Fit at most ``causes`` of them to what is seen."""
        share, status = seen.codes.shares(sizes.codes), seen.statuses.shares(sizes.statuses)
        causes = min(causes, len(np.unique(share, axis=0)))
        near = KMeans(causes, n_init=1, random_state=seed).fit_predict(np.sqrt(share))
        weights = 0.9 * np.eye(causes)[near] + 0.1 / causes
        codes, statuses = _first(weights, share), _first(weights, status)
        for _ in range(STEPS):
            codes = seen.codes.improved(codes, weights)
            statuses = seen.statuses.improved(statuses, weights)
            prior = _log_shares(weights.sum(axis=0), 1.0)
            sites = _differences(weights.T @ seen.sites)
            found = cls(prior, codes, statuses, sites, _bins(seen, weights, sizes.bins))
            answered = _answers(weights, answers)
            weights = softmax(found.log_joint(seen) + answered[:, answers].T, axis=1)
        # As npz keeps it: the order in memory decides the last digit of sums.
        kept = {name: np.ascontiguousarray(array) for name, array in found.arrays().items()}
        return cls(**kept)

    def log_joint(self, seen: Seen) -> Floats:
        """log P(cause, what is seen of the task), less the task's own constant."""
        factors = np.arange(seen.bins.shape[1])
        return np.asarray(
            self.log_prior
            + seen.codes.log_likelihood(self.codes)
            + seen.statuses.log_likelihood(self.statuses)
            + seen.sites @ self.sites.T
            + self.bins[:, factors, seen.bins].sum(axis=2).T
        )

    def probabilities(self, seen: Seen) -> Floats:
        """P(cause | what is seen), ``[tasks, causes]``; rows sum to 1."""
        result: Floats = softmax(self.log_joint(seen), axis=1)
        return result

    def evidence(self, seen: Seen) -> Floats:
        """log P(cause | what is seen), raised so that impossible is 0: ``[tasks, causes]``."""
        told = log_softmax(self.log_joint(seen), axis=1)
        return np.asarray(np.maximum(told - IMPOSSIBLE, 0.0))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it learned, by name."""
        return vars(self).copy()

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], sizes: Sizes) -> LatentCauses:
        """Read :meth:`arrays` back; ValueError where they are not of ``sizes``."""
        names = ("log_prior", "codes", "statuses", "sites", "bins")
        found = cls(**{name: arrays[name].astype(np.float64) for name in names})
        shapes = (
            (),
            (sizes.codes,),
            (sizes.statuses,),
            (sizes.sites,),
            (sizes.factors, sizes.bins),
        )
        for name, shape in zip(names, shapes, strict=True):
            if getattr(found, name).shape != (len(found.log_prior), *shape):
                raise ValueError(f"{name} of another mixture")
        if not np.all(found.codes > 0) or not np.all(found.statuses > 0):
            raise ValueError("no Dirichlet parameters")
        return found


def _first(weights: Floats, share: Floats) -> Floats:
    mean = weights.T @ share + 0.01
    return np.asarray(STEADINESS * mean / mean.sum(axis=1, keepdims=True))


def _differences(counts: Floats) -> Floats:
    """How much likelier each word is for each cause, as a logarithm, of ``[causes, words]``.

    Each cause's shares are drawn towards those of all by as many counts as makes the counts
    likeliest (empirical Bayes): where the causes do not differ, nothing is left of chance.
    """
    general = counts.sum(axis=0) + SMOOTHING
    general = general / general.sum()
    totals = counts.sum(axis=1)

    def unlikely(log_alike: float) -> float:
        shape = np.exp(log_alike) * general
        words = (gammaln(counts + shape) - gammaln(shape)).sum()
        return float(-words - (gammaln(shape.sum()) - gammaln(totals + shape.sum())).sum())

    alike = np.exp(minimize_scalar(unlikely, bounds=ALIKE, method="bounded").x)
    shares = (counts + alike * general) / (totals + alike)[:, None]
    return np.asarray(np.log(shares / general))


def _bins(seen: Seen, weights: Floats, bins: int) -> Floats:
    """How much likelier each bin of each factor is: ``[causes, factors, bins]``."""
    counts = [weights.T @ np.eye(bins)[column] for column in seen.bins.T]
    return np.stack([_differences(count) for count in counts], axis=1)


def _answers(weights: Floats, answers: Labels) -> Floats:
    """log P(answer | cause), drawn towards what is answered in general."""
    one_hot = np.eye(int(answers.max()) + 1)[answers]
    return _log_shares(weights.T @ one_hot, ANSWERED * one_hot.mean(axis=0) + 1e-9)


def _log_shares(counts: Floats, more: float | Floats) -> Floats:
    raised = counts + more
    return np.asarray(np.log(raised / raised.sum(axis=-1, keepdims=True)))
