"""What makes a window odd, in shares that add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jobmend.classifier.traces.alarms import Scores
from jobmend.classifier.traces.explaining import explain, shortest


def test_features_threads_and_time_are_told() -> None:
    errors = np.zeros((2, 10, 3))
    errors[1, 4:7, 2] = 3.0
    errors[0, 8, 0] = 1.0
    found = explain(errors, (4, 9), ("user", "system", "job_io_pressure"))
    assert dict(found.features) == pytest.approx({"job_io_pressure": 0.9, "user": 0.1})
    assert dict(found.threads) == pytest.approx({9: 0.9, 4: 0.1})
    assert (found.features[0][0], found.threads[0][0]) == ("job_io_pressure", 9)
    assert (found.begin, found.end) == (4, 6)
    assert found.stretch == pytest.approx(0.6)
    assert found.words(0.5) == "job_io_pressure 90%, user 10%; 60% of it from second 2 to 3"


def test_what_has_no_error_has_no_explanation() -> None:
    for errors in (np.zeros((1, 4, 2)), np.full((1, 4, 2), np.nan), np.zeros((0, 4, 2))):
        found = explain(errors, range(len(errors)), ("a", "b"))
        assert (found.features, found.threads, found.words(1.0)) == ((), (), "")


def test_names_have_to_fit() -> None:
    with pytest.raises(ValueError, match="2 threads and 3 features"):
        explain(np.zeros((2, 4, 2)), (0, 1), ("a", "b", "c"))
    with pytest.raises(ValueError, match="errors of shape"):
        explain(np.zeros((2, 4)), (0, 1), ("a", "b"))


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.one_of(st.floats(0, 100), st.just(float("nan"))),
    )
)
def test_shares_add_up_and_the_stretch_holds_half(errors: Scores) -> None:
    threads, _, width = errors.shape
    found = explain(errors, range(threads), [str(place) for place in range(width)])
    if not found.features:
        assert not np.nansum(errors) > 0
        return
    for shares in (found.features, found.threads):
        assert sum(share for _, share in shares) == pytest.approx(1.0)
    assert found.stretch >= 0.5 - 1e-9
    assert 0 <= found.begin < found.end <= errors.shape[1]


def test_the_shortest_stretch() -> None:
    assert shortest(np.array([0.1, 0.3, 0.4, 0.2]), 0.5) == (1, 3)
    assert shortest(np.array([0.6, 0.4]), 0.5) == (0, 1)
    assert shortest(np.array([0.2, 0.2]), 0.5) == (0, 2)
