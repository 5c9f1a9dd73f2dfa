"""The synthetic cluster's windows: shapes, owners, and what types and ailments do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.classifier.traces.synthetic_cluster import AILMENTS, LATER, STEPS, TYPES, window
from jobmend.jobs.windows import FEATURES, TraceWindow

INDEX = {name: index for index, name in enumerate(FEATURES)}


def drawn(seed: int, job: str, ailment: str = "", strength: float = 0.5) -> TraceWindow:
    return window(
        np.random.default_rng(seed),
        TYPES[job],
        "c/local/1/0",
        node="node1",
        start=100.0,
        ailment=ailment,
        strength=(strength, strength),
    )


def values(told: TraceWindow) -> np.ndarray:
    return np.frombuffer(told.values, np.float32).reshape(told.shape)


@given(st.integers(0, 10_000), st.sampled_from(sorted(TYPES)), st.sampled_from(["", *AILMENTS]))
def test_a_window_has_two_owned_threads_and_one_that_nobody_owns(
    seed: int, job: str, ailment: str
) -> None:
    told = drawn(seed, job, ailment)
    assert told.shape == (3, STEPS, len(FEATURES))
    assert told.owners == ("c/local/1/0", "c/local/1/0", None)
    owned = values(told)[:2]
    assert np.isfinite(owned).all() and owned.min() >= 0
    assert np.isnan(values(told)[2, :, INDEX["job_cpu"] :]).all()


def test_the_same_seed_gives_the_same_window() -> None:
    first, again, other = (drawn(seed, "fit").to_bytes() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("ailment", "feature", "grows"),
    [
        ("hang", "user", False),
        ("throttled", "job_cpu_pressure", True),
        ("swapping", "job_memory_pressure", True),
        ("storm", "irq", True),
    ],
)
def test_an_ailment_shows_in_its_feature(ailment: str, feature: str, grows: bool) -> None:
    healthy, ailing = (
        values(drawn(3, "fit", word))[0, -1, INDEX[feature]] for word in ("", ailment)
    )
    assert bool(ailing > healthy) is grows


def test_an_unknown_ailment_is_refused() -> None:
    with pytest.raises(ValueError, match="no synthetic ailment"):
        drawn(1, "fit", "ennui")


def test_the_change_touches_some_types_and_leaves_others() -> None:
    assert TYPES.keys() == LATER.keys()
    assert {name for name in TYPES if TYPES[name] != LATER[name]} == {"fit", "mpi"}
