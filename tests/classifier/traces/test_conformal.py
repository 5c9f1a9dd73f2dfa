"""p-values of runs: what they promise, with whom runs are compared, and files of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.random import Generator

from jobmend.classifier.traces.alarms import Criterion, Persistence
from jobmend.classifier.traces.conformal import MAX_DEPTH, Calibration, Reference
from jobmend.classifier.traces.tracks import Track, tracks_of
from tests.classifier.traces import synthetic

ONE_PERCENT = Criterion(0.01)


def drawn(
    rng: Generator, runs: int, *, windows: int = 4, threads: int = 3, nodes: int = 1, name: str = ""
) -> list[Track]:
    """Healthy runs: windows and threads of one resemble each other more than those of two."""
    return [
        Track(
            f"{name}{run}",
            f"node-{node}",
            tuple(range(threads)),
            level * rng.gamma(4.0, 1.0, (windows, threads)),
        )
        for run, level in enumerate(rng.lognormal(0, 1, runs))
        for node in range(nodes)
    ]


def smallest(calibration: Calibration, tracks: Iterable[Track]) -> dict[str, float]:
    """The least p-value of each run over its nodes."""
    found: dict[str, float] = {}
    for cell in calibration.judge(tracks):
        found[cell.run] = min(cell.p, found.get(cell.run, 1.0))
    return found


# ---- the promise -------------------------------------------------------------------------------


def test_p_values_count_the_runs_that_are_as_odd() -> None:
    reference = Reference(np.array([1.0, 2.0, 2.0, 4.0]))
    found = reference.p_values(np.array([5.0, 2.0, 0.0, np.nan]))
    np.testing.assert_allclose(found, [1 / 5, 4 / 5, 1.0, np.nan])
    assert Reference(np.zeros(0)).p_values(np.array([9.0])) == [1.0]


@pytest.mark.parametrize(("windows", "nodes"), [(1, 1), (4, 1), (12, 2)])
def test_healthy_runs_are_as_odd_as_promised(windows: int, nodes: int) -> None:
    rng = np.random.default_rng(0)
    jobs, threads = [], []
    for _ in range(8):
        calibration = Calibration.learn(drawn(rng, 99, windows=windows, nodes=nodes))
        new = drawn(rng, 100, windows=windows, nodes=nodes)
        jobs += list(smallest(calibration, new).values())
        of_runs: dict[str, float] = {}
        for cell in calibration.judge(new):
            of_runs[cell.run] = min([*cell.threads.values(), of_runs.get(cell.run, 1.0)])
        threads += list(of_runs.values())
    for p_values in (np.array(jobs), np.array(threads)):
        assert len(p_values) == 800
        assert np.mean(p_values <= 0.01) < 0.025
        assert 0.06 < np.mean(p_values <= 0.1) < 0.14
        assert 0.42 < np.mean(p_values <= 0.5) < 0.58


def test_windows_are_not_runs() -> None:
    """Why runs are counted: one that comes in many windows is no better a witness for that."""
    rng = np.random.default_rng(1)
    few = Calibration.learn(drawn(rng, 5, windows=200))
    assert few.reference("", 1).runs == 5
    assert min(cell.p for cell in few.judge(drawn(rng, 200))) == pytest.approx(1 / 6)
    assert "an alarm at 1 % needs 99" in few.reference("", 1).words(ONE_PERCENT)


def test_a_faulty_run_is_odd_and_a_single_wild_window_is_not() -> None:
    rng = np.random.default_rng(2)
    calibration = Calibration.learn(drawn(rng, 199))
    wild = np.full((4, 2), 3.0)
    wild[1] = 1e6
    odd = np.full((4, 2), 1e6)
    one_thread = np.full((4, 2), 3.0)
    one_thread[:, 1] = 900.0
    tracks = [
        Track("wild", "n", (0, 1), wild),
        Track("odd", "n", (4, 5), odd),
        Track("thread", "n", (8, 9), one_thread),
    ]
    cells = {cell.run: cell for cell in calibration.judge(tracks)}
    assert cells["odd"].p == cells["odd"].threads[4] == pytest.approx(1 / 200)
    assert cells["wild"].p > 0.1
    assert cells["thread"].threads[9] < 0.02 < 0.1 < cells["thread"].threads[8]


# ---- with whom ---------------------------------------------------------------------------------


def test_a_run_is_compared_with_its_type_where_there_are_enough() -> None:
    rng = np.random.default_rng(3)
    quiet, loud = drawn(rng, 99, name="quiet"), drawn(rng, 99, name="loud")
    loud = [Track(t.run, t.node, t.threads, t.scores * 1000) for t in loud]
    rare = drawn(rng, 20, name="rare")
    types = {t.run: t.run.rstrip("0123456789") for t in (*quiet, *loud, *rare)}
    calibration = Calibration.learn([*quiet, *loud, *rare], types)
    odd = Track("new", "n", (0,), np.full((4, 1), 900.0))
    as_quiet, as_rare, unknown, unnamed = (
        calibration.judge([odd], {"new": kind})[0] for kind in ("quiet", "rare", "other", "")
    )
    assert (as_quiet.p, as_quiet.reference.type, as_quiet.reference.runs) == (0.01, "quiet", 99)
    assert "of its type" in as_quiet.reference.words(ONE_PERCENT)
    for pooled in (as_rare, unknown, unnamed):
        assert pooled.p > 0.1
        assert (pooled.reference.type, pooled.reference.runs) == ("", 218)
        assert "its own is unknown or has too few" in pooled.reference.words(ONE_PERCENT)
    newest = calibration.newest()
    assert {kind: len(scores) for kind, scores in newest.items()} == {
        "": 218,
        "quiet": 99,
        "loud": 99,
    }


def test_a_run_is_compared_with_as_many_windows_as_it_has() -> None:
    rng = np.random.default_rng(4)
    tracks = [*drawn(rng, 60, windows=6), *drawn(rng, 50, windows=2, name="short-")]
    calibration = Calibration.learn(tracks)
    assert calibration.depth == 6
    assert [calibration.reference("", depth).runs for depth in (1, 2, 3, 6)] == [110, 110, 60, 60]
    long = Calibration.learn(drawn(rng, 9, windows=30))
    assert long.depth == MAX_DEPTH
    (cell,) = calibration.judge([Track("one", "n", (0,), np.array([[3.0]]))])
    assert cell.reference.runs == 110


def test_one_run_and_none_raise_no_alarm() -> None:
    rng = np.random.default_rng(5)
    new = drawn(rng, 1)
    assert Calibration.empty().judge(new)[0].p == 1.0
    assert Calibration.learn([]).depth == 1
    assert Calibration.learn(drawn(rng, 1)).judge(new)[0].p in (0.5, 1.0)
    assert Calibration.learn(drawn(rng, 9)).judge([]) == []


def test_threads_that_nobody_owns_or_measured_are_left_out() -> None:
    window = synthetic.window(np.random.default_rng(6), "r", threads=2)
    later = synthetic.window(np.random.default_rng(7), "r", threads=2)
    scores = np.array([[1.0, np.nan, 5.0, 7.0], [np.nan, np.nan, 5.0, 7.0]])
    (track,) = tracks_of([window, later], scores)
    assert (track.run, track.threads, track.scores.tolist()) == ("r", (0,), [[1.0]])
    calibration = Calibration.learn(drawn(np.random.default_rng(8), 9))
    (cell,) = calibration.judge([track])
    assert list(cell.threads) == [0]
    assert tracks_of([window], np.full((1, 4), np.nan)) == []


def test_windows_are_put_in_order_of_time() -> None:
    rng = np.random.default_rng(9)
    windows = [synthetic.window(rng, "r", threads=1) for _ in range(5)]
    scores = np.array([[window.start, np.nan] for window in windows])
    (track,) = tracks_of(windows, scores)
    assert track.scores[:, 0].tolist() == sorted(window.start for window in windows)


# ---- files -------------------------------------------------------------------------------------


def test_it_is_read_back_as_it_was() -> None:
    rng = np.random.default_rng(10)
    tracks = [*drawn(rng, 99, name="a"), *drawn(rng, 3, windows=1, name="b")]
    types = {track.run: track.run[0] for track in tracks if track.run != "a7"}
    calibration = Calibration.learn(tracks, types, Persistence(1, 2))
    again = Calibration.from_tensors(calibration.params(), calibration.tensors())
    new = drawn(rng, 20)
    assert again.judge(new, {"3": "a"}) != []
    for one, other in zip(
        again.judge(new, {"3": "a"}), calibration.judge(new, {"3": "a"}), strict=True
    ):
        assert (one.p, one.threads, one.reference.type) == (
            other.p,
            other.threads,
            other.reference.type,
        )
    empty = Calibration.empty()
    assert Calibration.from_tensors(empty.params(), empty.tensors()).judge(new)[0].p == 1.0


def test_damage_is_refused() -> None:
    calibration = Calibration.learn(drawn(np.random.default_rng(11), 5))
    params, tensors = calibration.params(), calibration.tensors()
    for changed in (
        {"calibration.jobs": tensors["calibration.jobs"][:3]},
        {"calibration.threads": np.full_like(tensors["calibration.threads"], np.inf)},
        {"calibration.types": tensors["calibration.types"] + 1},
        {"calibration.types": tensors["calibration.types"] - 1},
    ):
        with pytest.raises(ValueError, match="calibration"):
            Calibration.from_tensors(params, {**tensors, **changed})
    with pytest.raises(ValueError, match="cannot be odd"):
        Calibration.from_tensors({**params, "needed": 9}, tensors)
    with pytest.raises(KeyError):
        Calibration.from_tensors(params, {})
