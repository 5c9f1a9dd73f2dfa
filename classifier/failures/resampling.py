"""Rare answers in the training part: weighted, thinned out around them, repeated or made up.

SMOTE is from Chawla et al. (2002), its borderline form from Han et al. (2005), the one along a
support vector machine's border from Nguyen et al. (2011); all are imbalanced-learn's. The last two
look for neighbours many times over and are only for narrow, dense rows (see :mod:`.arms.table`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from imblearn.over_sampling import SMOTE, SVMSMOTE, BorderlineSMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.utils.class_weight import compute_sample_weight

Resampling = Literal["none", "weights", "under", "over", "smote", "borderline", "svm-smote"]
RESAMPLINGS: Final[tuple[Resampling, ...]] = get_args(Resampling)
NARROW: Final = frozenset({"borderline", "svm-smote"})  # want few dense columns

NEIGHBOURS = 5
FEWEST = 20  # thinning out leaves as many of each class, where there are: the rarest may be one

Rows: TypeAlias = "csr_matrix | NDArray[np.float32]"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """What an arm is fitted on: rows, their class numbers, and what each row weighs."""

    rows: Rows
    labels: NDArray[np.intp]
    weights: NDArray[np.float64]


def resample(rows: Rows, labels: NDArray[np.intp], kind: Resampling, seed: int = 0) -> Sample:
    """``rows`` with the rare classes raised as ``kind`` says; ValueError for an unknown kind.

    A class of one row has no neighbours: the SMOTE kinds leave it as it is.
    """
    if kind not in RESAMPLINGS:
        raise ValueError(f"resampling {kind!r} is unknown: use one of {', '.join(RESAMPLINGS)}")
    even = np.ones(len(labels))
    if kind == "none":
        return Sample(rows, labels, even)
    if kind == "weights":
        return Sample(rows, labels, compute_sample_weight("balanced", labels))
    sampler = _sampler(kind, np.bincount(labels), seed)
    if sampler is None:
        return Sample(rows, labels, even)
    try:
        more, numbers = sampler.fit_resample(rows, labels)
    except ValueError as error:  # SVMSMOTE where each support vector lies among strangers
        if kind != "svm-smote":
            raise
        _log.warning("SVM-SMOTE does not fit this history (%s): plain SMOTE instead", error)
        return resample(rows, labels, "smote", seed)
    kept = csr_matrix(more, dtype=np.float32) if issparse(more) else more.astype(np.float32)
    return Sample(kept, np.asarray(numbers, dtype=np.intp), np.ones(len(numbers)))


def _sampler(kind: Resampling, counts: NDArray[np.intp], seed: int) -> Any:
    """What imbalanced-learn calls ``kind``, or None where there is nothing to raise."""
    if kind == "under":
        most = max(int(counts[counts > 0].min()), FEWEST)
        thinned = {label: most for label, count in enumerate(counts.tolist()) if count > most}
        return RandomUnderSampler(sampling_strategy=thinned, random_state=seed) if thinned else None
    largest, least = int(counts.max()), 1 if kind == "over" else 2
    rare = [label for label, count in enumerate(counts.tolist()) if least <= count < largest]
    if not rare:
        return None
    raised = dict.fromkeys(rare, largest)
    if kind == "over":
        return RandomOverSampler(sampling_strategy=raised, random_state=seed)
    neighbours = min(NEIGHBOURS, int(counts[rare].min()) - 1)
    made: type[Any] = {"smote": SMOTE, "borderline": BorderlineSMOTE, "svm-smote": SVMSMOTE}[kind]
    more = {} if kind == "smote" else {"m_neighbors": min(10, int(counts.sum()) - 1)}
    return made(sampling_strategy=raised, k_neighbors=neighbours, random_state=seed, **more)
