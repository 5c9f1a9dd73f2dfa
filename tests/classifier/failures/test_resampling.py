from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, issparse

from jobmend.classifier.failures.resampling import FEWEST, NARROW, RESAMPLINGS, Resampling, resample


def table(counts: list[int], *, wide: bool = False) -> tuple[csr_matrix, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = rng.poisson(0.5 + labels[:, None], (len(labels), 40 if wide else 6))
    return csr_matrix(rows, dtype=np.float32), labels


def test_weights_even_out_the_classes_and_add_no_row() -> None:
    rows, labels = table([60, 20, 5])
    sample = resample(rows, labels, "weights")
    sums = np.bincount(sample.labels, weights=sample.weights)
    assert sums == pytest.approx(sums[0])
    assert sample.rows is rows


@pytest.mark.parametrize("kind", ["over", "smote", "borderline", "svm-smote"])
def test_rare_classes_are_raised_to_the_largest(kind: Resampling) -> None:
    rows, labels = table([60, 20, 8])
    dense = rows.toarray() if kind in NARROW else rows
    sample = resample(dense, labels, kind, seed=1)
    counts = np.bincount(sample.labels)
    assert counts[0] == 60
    assert counts[1] > 20
    assert counts[2] > 8
    assert counts.max() == 60
    assert issparse(sample.rows) == (kind not in NARROW)
    assert sample.rows.dtype == np.float32
    assert len(sample.weights) == sample.rows.shape[0]


def test_thinning_keeps_a_few_of_each() -> None:
    rows, labels = table([60, 30, 1])
    counts = np.bincount(resample(rows, labels, "under").labels)
    assert counts.tolist() == [FEWEST, FEWEST, 1]


def test_made_up_rows_lie_between_their_neighbours() -> None:
    rows, labels = table([50, 10])
    sample = resample(rows, labels, "smote", seed=2)
    rare, made = rows[50:].toarray(), csr_matrix(sample.rows)[60:].toarray()
    assert made.shape == (40, 6)
    assert np.all(made >= rare.min(axis=0))
    assert np.all(made <= rare.max(axis=0))


@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    kind=st.sampled_from(RESAMPLINGS),
)
@settings(max_examples=60)
def test_no_mix_of_classes_breaks_it(counts: list[int], kind: Resampling) -> None:
    rows, labels = table(counts)
    sample = resample(rows.toarray() if kind in NARROW else rows, labels, kind, seed=3)
    assert set(sample.labels) == set(labels)
    assert sample.rows.shape[0] == len(sample.labels) == len(sample.weights)
    assert np.all(sample.weights > 0)


def test_an_unknown_kind_is_named() -> None:
    rows, labels = table([3, 3])
    with pytest.raises(ValueError, match=r"'bootstrap' is unknown: use one of none, weights"):
        resample(rows, labels, "bootstrap")  # type: ignore[arg-type]
