"""Raising rare classes of the training part with SMOTE, as far as their number allows."""

from __future__ import annotations

import numpy as np
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

NEIGHBOURS = 5


def oversample(
    matrix: csr_matrix, labels: NDArray[np.intp], share: float, seed: int
) -> tuple[csr_matrix, NDArray[np.intp]]:
    """Raise each class to ``share`` (0..1) of the largest; a class of one stays as it is.

    SMOTE draws between neighbours, so the smallest class that is raised bounds their number.
    """
    counts = np.bincount(labels)
    target = int(share * counts.max())
    raised = {int(label): target for label, count in enumerate(counts) if 2 <= count < target}
    if not raised:
        return matrix, labels
    neighbours = min(NEIGHBOURS, min(int(counts[label]) for label in raised) - 1)
    smote = SMOTE(sampling_strategy=raised, k_neighbors=neighbours, random_state=seed)
    more, more_labels = smote.fit_resample(matrix, labels)
    return csr_matrix(more, dtype=np.float32), np.asarray(more_labels, dtype=np.intp)
