"""Harm done on purpose: the same for the same key, seen by a model, and never a broken window."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobmend.brain.learning.traces.injecting import HARMS, harmed
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.classifier.traces.synthetic import window


def values_of(one: TraceWindow) -> np.ndarray:
    return np.frombuffer(one.values, np.float32).reshape(one.shape)


def test_the_same_window_is_harmed_alike_and_others_otherwise() -> None:
    rng = np.random.default_rng(0)
    told = [window(rng, "r") for _ in range(210)]
    kinds = Counter(harmed(one, 0)[0] for one in told)
    assert set(kinds) == set(HARMS) and min(kinds.values()) > 10

    def seen(one: TraceWindow, seed: int) -> tuple[str, bytes]:
        name, found = harmed(one, seed)
        return name, found.to_bytes()

    assert all(seen(one, 0) == seen(replace(one), 0) != seen(one, 1) for one in told[:20])


@pytest.mark.parametrize("name", HARMS)
def test_each_harm_changes_the_run_alone(name: str) -> None:
    rng = np.random.default_rng(1)
    told = (replace(window(rng, "r", 3), start=float(n)) for n in range(200))
    one, (_, found) = next((one, made) for one in told if (made := harmed(one, 0))[0] == name)
    before, after = values_of(one), values_of(found)
    assert not np.array_equal(before[:3], after[:3], equal_nan=True)
    assert np.array_equal(before[3:], after[3:], equal_nan=True)
    assert (found.owners, found.start, found.key) == (one.owners, one.start, one.key)


@settings(max_examples=60)
@given(
    values=arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(2)),
        elements=st.floats(0, 100, width=32) | st.just(np.nan),
    ),
    features=st.sampled_from([("user", "job_cpu"), ("x", "y"), ("iowait", "job_io_pressure")]),
    start=st.floats(0, 1e9),
)
def test_whatever_was_measured_stays_a_window(
    values: np.ndarray, features: tuple[str, str], start: float
) -> None:
    threads = len(values)
    one = TraceWindow(
        "n",
        start,
        1.0,
        tuple(range(threads)),
        tuple("ab"[n % 2] for n in range(threads)),
        array("f", values.tobytes()),
        features,
    )
    name, found = harmed(one, 0)
    after = values_of(found)
    assert after.shape == values.shape and (after[~np.isnan(after)] >= 0).all()
    if name != "shuffle":
        assert np.array_equal(np.isnan(after), np.isnan(values))


def test_a_window_of_nobody_cannot_be_harmed() -> None:
    one = window(np.random.default_rng(0), "r")
    with pytest.raises(ValueError, match="nobody owns"):
        harmed(replace(one, owners=(None,) * 3), 0)


def test_shares_end_at_one() -> None:
    full = np.ones((1, 8, len(FEATURES)), np.float32)
    for n in range(60):
        one = TraceWindow("n", float(n), 1.0, (0,), ("r",), array("f", full.tobytes()))
        name, found = harmed(one, 0)
        if name != "noise":
            assert values_of(found).max() <= 1.0
