"""The arm of latent causes: first what ails the task, then what is done about such tasks.

Three mixtures of 16, 24 and 32 causes say how likely each of their causes is (:mod:`.latent`).
What is done then is read off in two ways, and the mean is said: from the share of each answer for
each cause and situation (:mod:`.policy`), and by trees on the causes' probabilities and the
task's summary, three ensembles of different seeds. The one can only say what mixes answers of
causes, the other follows whatever facts matter; their errors differ. The mixtures learn from all
failures, not from the few rare answers alone: that is where the arm is ahead of trees on counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ..features import FEATURES
from ..matrix import STATUSES, Block, Vocabulary, encode
from ..resampling import Resampling
from ..task import FailedTask
from .arm import Floats
from .keeping import KeptArm, json_bytes, npz_arrays, npz_bytes, unfitted
from .labelled import floored, numbered
from .latent import LatentCauses, Seen, Sizes, Tally
from .policy import Policy
from .trees import Growth, Progress

FACTORS = ("log_failures", "sites", "dominant_site_share")
BINS = 8  # of each factor, by quantiles; one more where it was not measured
COPIES = 3  # ensembles of trees

_PLACES = [FEATURES.index(name) for name in FACTORS]


class MixtureArm(KeptArm):
    """Latent causes, then trees on their probabilities."""

    name = "mixture"

    vocabulary_: Vocabulary
    edges_: Floats  # [factors, BINS - 1]
    causes_: list[LatentCauses]
    policies_: list[Policy]
    boosters_: list[xgboost.Booster]

    def __init__(
        self,
        *,
        causes: Sequence[int] = (16, 24, 32),
        resampling: Resampling = "none",
        rounds: int = 300,
        depth: int = 3,
        learning_rate: float = 0.05,
        leaf_weight: float = 3.0,
        rows_share: float = 0.8,
        columns_share: float = 0.5,
        patience: int = 10,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """``causes``: of each mixture; the rest is about the trees (:class:`.trees.Growth`)."""
        self.causes = tuple(causes)
        self.resampling: Resampling = resampling
        self.rounds = rounds
        self.depth = depth
        self.learning_rate = learning_rate
        self.leaf_weight = leaf_weight
        self.rows_share = rows_share
        self.columns_share = columns_share
        self.patience = patience
        self.seed = seed
        self.threads = threads
        self.progress_ = progress

    def _growth(self) -> Growth:
        params = self.get_params()
        del params["causes"]
        return Growth(len(self.classes_), **params)

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Learn from tasks in time order; ValueError says what they lack."""
        self.classes_, numbers = numbered(tasks, labels)
        self.vocabulary_ = Vocabulary.learn(tasks)
        blocks = self._blocks(tasks)
        summary = blocks["summary"].toarray()
        self.edges_ = _edges(summary)
        seen = self._seen(blocks, summary)
        self.causes_ = [
            LatentCauses.learn(seen, numbers, many, self._sizes(), self.seed + place)
            for place, many in enumerate(self.causes)
        ]
        self.policies_ = [
            Policy.learn(causes.probabilities(seen), summary, numbers, len(self.classes_))
            for causes in self.causes_
        ]
        rows = self._rows(seen, summary)
        self.boosters_ = self._growth().grow(rows, numbers, self.progress_, COPIES)
        return self

    def _blocks(self, tasks: Sequence[FailedTask]) -> dict[Block, csr_matrix]:
        matrix = encode(tasks, self.vocabulary_)
        return {name: matrix[:, place] for name, place in self.vocabulary_.blocks.items()}

    def _sizes(self) -> Sizes:
        words = self.vocabulary_
        sites = len(words.sites) + 1
        return Sizes(len(words.codes) + 1, len(STATUSES), sites, len(FACTORS), BINS + 1)

    def _seen(self, blocks: Mapping[Block, csr_matrix], summary: NDArray[np.float32]) -> Seen:
        sizes, sites = self._sizes(), blocks["sites"]
        ones = csr_matrix((np.ones(sites.nnz), sites.indices, sites.indptr), sites.shape)
        by_site, by_status = ones @ _summed(sizes.sites, 0), ones @ _summed(sizes.sites, 1)
        by_site.data[:] = 1.0
        codes = blocks["codes"].astype(np.float64) @ _summed(sizes.codes, 0)
        bins = [
            np.where(values > 0, np.searchsorted(edges, values, side="right"), BINS)
            for edges, values in zip(self.edges_, summary[:, _PLACES].T, strict=True)
        ]
        return Seen(Tally.of(codes), Tally.of(by_status), by_site, np.column_stack(bins))

    def _rows(self, seen: Seen, summary: NDArray[np.float32]) -> NDArray[np.float32]:
        evidence = [causes.evidence(seen) for causes in self.causes_]
        return np.hstack([*evidence, summary]).astype(np.float32)

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``; rows sum to 1."""
        if not hasattr(self, "boosters_"):
            raise unfitted(self.name)
        if not tasks:
            return np.empty((0, len(self.classes_)))
        blocks, growth = self._blocks(tasks), self._growth()
        summary = blocks["summary"].toarray()
        seen = self._seen(blocks, summary)
        rows = self._rows(seen, summary)
        by_trees = [growth.say(booster, rows) for booster in self.boosters_]
        by_policy = [
            policy.say(causes.probabilities(seen), summary)
            for policy, causes in zip(self.policies_, self.causes_, strict=True)
        ]
        return floored((np.mean(by_trees, axis=0) + np.mean(by_policy, axis=0)) / 2)

    def files(self) -> dict[str, bytes]:
        """What it learned, by file name."""
        if not hasattr(self, "boosters_"):
            raise unfitted(self.name)
        learned = {"classes": list(self.classes_), "features": list(FEATURES)}
        files = {
            "arm.json": json_bytes(learned),
            "vocabulary.json": self.vocabulary_.to_json(),
            "edges.npz": npz_bytes({"edges": self.edges_}),
        }
        for place, causes in enumerate(self.causes_):
            arrays = {**causes.arrays(), **self.policies_[place].arrays()}
            files[f"causes-{place}.npz"] = npz_bytes(arrays)
        for place, booster in enumerate(self.boosters_):
            files[f"trees-{place}.ubj"] = bytes(booster.save_raw("ubj"))
        return files

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        if learned["features"] != list(FEATURES):
            raise ValueError("other features")
        self.vocabulary_ = Vocabulary.from_json(files["vocabulary.json"])
        self.edges_ = npz_arrays(files["edges.npz"])["edges"]
        if self.edges_.shape != (len(FACTORS), BINS - 1):
            raise ValueError("edges of other bins")
        facts, classes = len(FEATURES), len(self.classes_)
        self.causes_, self.policies_ = [], []
        for place in range(len(self.causes)):
            arrays = npz_arrays(files[f"causes-{place}.npz"])
            causes = LatentCauses.restore(arrays, self._sizes())
            self.causes_.append(causes)
            many = len(causes.log_prior)
            self.policies_.append(Policy.restore(arrays, many, facts, classes))
        width = sum(len(causes.log_prior) for causes in self.causes_) + facts
        growth = self._growth()
        self.boosters_ = [
            growth.read(files[f"trees-{place}.ubj"], width) for place in range(COPIES)
        ]


def _edges(summary: NDArray[np.float32]) -> Floats:
    """Quantiles of each factor where it was measured, ``[factors, BINS - 1]``."""
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    rows = [
        np.quantile(column[column > 0], quantiles) if column.any() else quantiles
        for column in summary[:, _PLACES].T
    ]
    return np.array(rows)


def _summed(words: int, part: int) -> csr_matrix:
    """What sums columns of word x status over statuses (``part`` 0) or over words (1)."""
    columns = np.arange(words * len(STATUSES))
    sums = np.divmod(columns, len(STATUSES))[part]
    return csr_matrix((np.ones(len(columns)), (columns, sums)))
