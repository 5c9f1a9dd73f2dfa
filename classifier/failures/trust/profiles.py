"""Tasks as the novelty detector sees them: how much of which code, and a few facts of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ..arms.latent import Tally
from ..features import FEATURES
from ..matrix import STATUSES, Vocabulary, encode
from ..task import FailedTask

Floats = NDArray[np.float64]

FACTORS: Final = (
    "log_failures",
    "sites",
    "dominant_site_share",
    "failed_at_bad_status_share",
    "bad_sites_share",
)
BINS: Final = 8  # of each factor, by quantiles
# Of the rows that distances are taken between. The codes' part of a row has length 1.
WEIGHTS: Final = (0.2, 0.3, 0.5, 0.5)  # log failures, log sites, roots of two shares
_PLACES = [FEATURES.index(name) for name in FACTORS]


@dataclass(frozen=True, eq=False)
class Profiles:
    """Some tasks: ``counts [tasks, codes + 1]`` (the last is ``other``), ``facts`` of FACTORS."""

    counts: csr_matrix
    facts: Floats  # [tasks, factors]
    tally: Tally  # of the counts
    places: NDArray[np.intp]  # [tasks, factors]: the bin of each fact

    @property
    def rows(self) -> NDArray[np.float32]:
        """Points whose distance is Hellinger's for the codes and Euclid's for the facts."""
        totals = np.maximum(self.tally.totals, 1.0)
        codes = np.sqrt(self.counts.toarray() / totals[:, None])
        log_failures, sites, site_share, bad_share, _ = self.facts.T
        facts = (log_failures, np.log1p(sites), np.sqrt(site_share), np.sqrt(bad_share))
        weighed = [weight * fact for weight, fact in zip(WEIGHTS, facts, strict=True)]
        return np.column_stack([codes, *weighed]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Reader:
    """How tasks become profiles: the codes that are known, and the edges of the bins."""

    vocabulary: Vocabulary
    edges: Floats  # [factors, BINS - 1]

    @classmethod
    def learn(cls, tasks: Sequence[FailedTask]) -> Self:
        """The codes and the edges of ``tasks``, each of which has a failure."""
        vocabulary = Vocabulary.learn(tasks)
        _, facts = _read(tasks, vocabulary)
        return cls(vocabulary, np.quantile(facts, np.linspace(0, 1, BINS + 1)[1:-1], axis=0).T)

    @property
    def codes(self) -> int:
        """Number of columns of codes, ``other`` included."""
        return len(self.vocabulary.codes) + 1

    def read(self, tasks: Sequence[FailedTask]) -> Profiles:
        """The profiles of ``tasks``."""
        counts, facts = _read(tasks, self.vocabulary)
        pairs = zip(self.edges, facts.T, strict=True)
        bins = [np.searchsorted(edges, values, side="right") for edges, values in pairs]
        return Profiles(counts, facts, Tally.of(counts), np.column_stack(bins))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The edges, by name; the vocabulary is kept beside."""
        return {"edges": self.edges}

    @classmethod
    def restore(cls, vocabulary: Vocabulary, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read :meth:`arrays` back; ValueError where the shape does not fit."""
        edges = np.asarray(arrays["edges"], dtype=np.float64)
        if edges.shape != (len(FACTORS), BINS - 1):
            raise ValueError("edges of other bins")
        return cls(vocabulary, edges)


def _read(tasks: Sequence[FailedTask], vocabulary: Vocabulary) -> tuple[csr_matrix, Floats]:
    """Counts by code, and the facts; a fact that is not known is 0."""
    matrix, blocks = encode(tasks, vocabulary), vocabulary.blocks
    by_status = matrix[:, blocks["codes"]]
    data, columns = by_status.data.astype(np.float64), by_status.indices // len(STATUSES)
    shape = (len(tasks), len(vocabulary.codes) + 1)
    counts = csr_matrix((data, columns, by_status.indptr), shape=shape)
    counts.sum_duplicates()
    facts = matrix[:, blocks["summary"]].toarray()[:, _PLACES].astype(np.float64)
    return counts, np.maximum(facts - 1.0, 0.0)  # the matrix holds 1 + value
