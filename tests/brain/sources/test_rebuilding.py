from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.brain.sources.promql import Series
from jobmend.brain.sources.rebuilding import Grid, Gridded, rebuild
from jobmend.brain.sources.victoria import newest
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.brain.sources.exposed import CLUSTERS, INSTANCE, Exposed

START, INTERVAL, STEPS = 1_795_262_400.0, 15.0, 8
GRID = Grid(INSTANCE, START, START + 0.9 * INTERVAL, INTERVAL, STEPS)


def gridded(exposed: Exposed) -> list[Gridded]:
    return [
        Gridded(
            {"__name__": one.name, **one.labels, "instance": INSTANCE},
            np.array([float(value or "nan") for value in one.values]),
        )
        for one in exposed.series
    ]


def exposed_of(*owners: str | None) -> Exposed:
    return Exposed(START, INTERVAL, STEPS, owners)


def told_of(series: list[Gridded], name: str, **labels: str) -> list[Gridded]:
    wanted = {"__name__": name, **labels}
    return [one for one in series if wanted.items() <= dict(one.labels).items()]


def numbers(window: TraceWindow) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(window.values, np.float32).reshape(window.shape)


def test_a_node_with_two_jobs() -> None:
    exposed = exposed_of("7", "8", "7", None)
    found = rebuild(gridded(exposed), GRID, CLUSTERS)
    assert [(one.key, one.owners) for one in found] == [
        (one.key, one.owners) for one in exposed.windows
    ]
    for one, other in zip(found, exposed.windows, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=2**-22, atol=1e-9)


def test_the_only_job_without_a_cpuset_owns_all_threads() -> None:
    exposed = exposed_of("7", "7", None)
    series = gridded(exposed)
    for one in told_of(series, "jobmend_thread_job_info"):
        series.remove(one)
        series.append(replace(one, labels={**one.labels, "ownership": "affinity"}))
    (found,) = rebuild(series, GRID, CLUSTERS)
    assert (found.threads, found.owners) == ((0, 1, 2), ("c1/slurm/7/0",) * 3)


def test_shared_threads_are_nobodys_and_a_job_with_those_alone_has_no_window() -> None:
    series = gridded(exposed_of("7", "7", "8"))
    for cpu, ownership in (("1", "shared"), ("2", "shared")):
        for one in told_of(series, "jobmend_thread_job_info", cpu=cpu):
            series.remove(one)
            series.append(replace(one, labels={**one.labels, "ownership": ownership}))
    (found,) = rebuild(series, GRID, CLUSTERS)
    assert (found.threads, found.owners) == ((0, 1), ("c1/slurm/7/0", None))
    assert np.isnan(numbers(found)[1, :, 6:]).all()
    assert not np.isnan(numbers(found)[1, :, :6]).any()


def test_what_was_not_measured_is_nan() -> None:
    series = gridded(exposed_of("7"))
    for one in told_of(series, "jobmend_job_pressure_io_waiting_seconds_total"):
        series.remove(one)
    (found,) = rebuild(series, GRID, CLUSTERS)
    measured = np.asarray(~np.isnan(numbers(found)).all(axis=(0, 1)))
    assert dict(zip(FEATURES, measured, strict=True)) == {
        name: name != "job_io_pressure" for name in FEATURES
    }


def test_a_scrape_that_failed_costs_its_step_and_the_next_has_the_time_of_both() -> None:
    exposed = exposed_of("7")
    whole = gridded(exposed)
    for one in whole:
        one.values[4] = one.values[3]  # a query finds the scrape before
    (found,) = rebuild(whole, GRID, CLUSTERS)
    values, truth = numbers(found)[0], numbers(exposed.windows[0])[0]
    assert np.isnan(values[3]).all()
    np.testing.assert_allclose(values[4, 6:], (truth[3, 6:] + truth[4, 6:]) / 2, rtol=1e-6)
    np.testing.assert_allclose(np.delete(values, [3, 4], 0), np.delete(truth, [3, 4], 0), rtol=1e-6)


@pytest.mark.parametrize("case", ["began within", "ended", "ended long ago", "unnamed"])
def test_a_run_that_was_not_there_for_the_whole_stretch_has_none(case: str) -> None:
    series = gridded(exposed_of("7", "8"))
    for one in list(series):
        if one.labels.get("jobid") != "7":
            continue
        if case == "began within":
            one.values[:2] = np.nan
        elif case == "ended" and one.labels["__name__"] == "jobmend_thread_job_info":
            one.values[-1] = np.nan
        elif case == "ended long ago" and "last_seen" in one.labels["__name__"]:
            one.values[:] = START - 99
        elif case == "unnamed":
            series.remove(one)
            series.append(replace(one, labels={**one.labels, "jobid": ""}))
    assert [one.owners for one in rebuild(series, GRID, CLUSTERS)] == [("c1/slurm/8/0",)]


def test_counters_that_run_backwards_tell_of_no_time() -> None:
    series = gridded(exposed_of("7"))
    (iowait,) = told_of(series, "jobmend_thread_cpu_seconds_total", mode="iowait")
    iowait.values[3:] -= 100
    (found,) = rebuild(series, GRID, CLUSTERS)
    assert numbers(found)[0, 2, FEATURES.index("iowait")] == 0
    assert (numbers(found) >= 0).all()


def test_a_label_names_the_cluster_where_there_is_one() -> None:
    series = [
        replace(one, labels={**one.labels, "cluster": "c9"}) for one in gridded(exposed_of("7"))
    ]
    (found,) = rebuild(series, GRID, CLUSTERS)
    assert found.owners == ("c9/slurm/7/0",)
    assert rebuild(gridded(exposed_of("7")), GRID, {}) == rebuild([], GRID, CLUSTERS) == []


@settings(max_examples=60)
@given(st.data())
def test_strange_series_break_nothing(data: st.DataObject) -> None:
    series = gridded(exposed_of("7", "8"))
    for _ in range(3):
        one = data.draw(st.sampled_from(series))
        series.remove(one)
        name = data.draw(st.sampled_from(sorted(one.labels)))
        word = data.draw(st.text(max_size=5) | st.just("9" * 5000))
        number = data.draw(st.floats())
        values = np.where(
            np.arange(STEPS + 1) == data.draw(st.integers(0, STEPS)), number, one.values
        )
        series.append(Gridded({**one.labels, name: word}, values))
    with np.errstate(all="ignore"):
        for found in rebuild(series, GRID, CLUSTERS):
            assert found.steps == STEPS


def test_the_newest_sample_stands_until_it_is_stale() -> None:
    samples = Series({}, np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, np.nan]))
    found = newest(samples, np.array([9.0, 10.0, 19.0, 29.9, 30.0, 40.0]))
    np.testing.assert_equal(found, [np.nan, 1, 1, 2, np.nan, np.nan])
    assert np.isnan(newest(Series({}, np.array([10.0]), np.array([1.0])), np.array([310.0]))).all()
