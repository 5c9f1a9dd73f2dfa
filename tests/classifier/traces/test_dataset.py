from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmend.classifier.traces.dataset import (
    CARD,
    COLUMNS,
    RUNS,
    DatasetError,
    Recorded,
    read,
    write,
)
from jobmend.classifier.traces.resampling import coarsen, recut
from jobmend.classifier.traces.samples import stack
from jobmend.jobs.windows import FEATURES, TraceWindow

SMALL = Path(__file__).parents[2] / "data" / "traces"


def recorded(
    run: str = "c/local/1/A",
    threads: int = 2,
    steps: int = 6,
    split: str = "train",
    features: tuple[str, ...] = FEATURES,
    seed: int = 1,
    fault_start: float | None = None,
) -> Recorded:
    shape = threads, steps, len(features)
    values = np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)
    values[0, 0, 0] = np.nan
    owners = tuple(run if thread else None for thread in range(threads))
    window = TraceWindow(
        "n1",
        100.0,
        0.5,
        tuple(range(threads)),
        owners if threads > 1 else (run,),
        array("f", values.tobytes()),
        features,
    )
    fault = "none" if fault_start is None else "hang"
    return Recorded(run, "fit", fault, split, fault_start, window)


def written(path: Path, **replaced: object) -> Path:
    """A file whose table has columns replaced, or dropped where they are None."""
    write(path, [recorded()])
    table = pq.read_table(path)
    for name, column in replaced.items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if column is not None:
            table = table.append_column(name, column)
    pq.write_table(table, path)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    wanted = [recorded("c/local/1/A", fault_start=101.0), recorded("c/local/2/B", threads=1)]
    write(tmp_path / "windows.parquet", wanted)
    for place in (tmp_path, tmp_path / "windows.parquet"):
        for one, other in zip(wanted, read(place), strict=True):
            assert one.window.to_bytes() == other.window.to_bytes()
            assert {**vars(one), "window": None} == {**vars(other), "window": None}
            assert one.window.owners == other.window.owners
            assert one.window.shape == other.window.shape


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.integers(1, 5), st.integers(1, 9))
def test_any_name_and_shape_comes_back(tmp_path: Path, name: str, threads: int, steps: int) -> None:
    name = name.encode("utf-8", "replace").decode()
    one = Recorded("r", name, name, "test", None, recorded(threads=threads, steps=steps).window)
    write(tmp_path / "any.parquet", [one])
    (back,) = read(tmp_path / "any.parquet")
    assert (back.job_type, back.fault) == (name, name)
    assert back.window.to_bytes() == one.window.to_bytes()


def test_a_window_is_faulty_once_half_of_it_is() -> None:
    assert not recorded().is_faulty
    assert recorded(fault_start=101.0).is_faulty
    assert not recorded(fault_start=102.9).is_faulty


def test_writing_refuses_other_shapes_and_runs_in_two_splits(tmp_path: Path) -> None:
    path = tmp_path / "windows.parquet"
    with pytest.raises(DatasetError, match="0 shapes"):
        write(path, [])
    with pytest.raises(DatasetError, match="2 shapes"):
        write(path, [recorded(), recorded(steps=7)])
    with pytest.raises(DatasetError, match="in two splits"):
        write(path, [recorded(), recorded(split="test")])
    assert not path.exists()


@pytest.mark.parametrize("missing", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    path = written(tmp_path / "w.parquet", **{missing: None})
    with pytest.raises(DatasetError, match=missing) as refused:
        read(path)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("split", pa.array(["train", "later"]), "split 'later'"),
        ("split", pa.array(["train", "test"]), "in two splits"),
        ("run", pa.array(["a", None]), "column run has empty rows"),
        ("start", pa.array([1.0, float("nan")]), "column start holds nan"),
        ("step_seconds", pa.array([1.0, float("inf")]), "column step_seconds holds inf"),
        ("fault_start", pa.array([float("inf"), None]), "column fault_start holds inf"),
        ("values", pa.array([[1.0], [2.0]], pa.list_(pa.float32(), 1)), "do not fill"),
        ("values", pa.array([[1.0], [2.0]]), "steps and features"),
        ("values", pa.array(["a", "b"]), "steps and features"),
        (
            "values",
            pa.array([[0.5] * 60, None], pa.list_(pa.float32(), 60)),
            "values|lists",
        ),
        ("values", pa.array([[0.5] * 60] * 2, pa.list_(pa.float64(), 60)), "do not fill"),
        ("values", pa.array([[-0.5] * 60] * 2, pa.list_(pa.float32(), 60)), "row 0 holds"),
        (
            "values",
            pa.array([[0.5] * 60, [float("inf")] * 60], pa.list_(pa.float32(), 60)),
            "row 1 holds",
        ),
    ],
)
def test_damage_is_one_sentence(tmp_path: Path, name: str, column: pa.Array, words: str) -> None:
    path = written(tmp_path / "w.parquet", **{name: column})
    with pytest.raises(DatasetError, match=words) as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_other_features_are_refused_unless_any_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    write(path, [recorded(features=("user", "heat"))])
    with pytest.raises(DatasetError, match="its features are user, heat"):
        read(path)
    assert read(path, None)[0].window.features == ("user", "heat")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not parquet at all", b"PAR1" * 100])
def test_what_is_no_parquet_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "w.parquet"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        read(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        read(tmp_path / "none.parquet")


def test_a_strangers_table_and_an_empty_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DatasetError, match="unknown \\['a'\\]"):
        read(path)
    write(path, [recorded()])
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(DatasetError, match="holds no windows"):
        read(path)


def test_recut_windows_are_pieces_of_the_longer_one() -> None:
    one = recorded(steps=7)
    whole = np.frombuffer(one.window.values, np.float32).reshape(one.window.shape)
    pieces = recut([one], 3)
    assert [piece.window.start for piece in pieces] == [100.0, 101.5]
    for place, piece in enumerate(pieces):
        got = np.frombuffer(piece.window.values, np.float32).reshape(piece.window.shape)
        np.testing.assert_array_equal(got, whole[:, 3 * place : 3 * place + 3])
    assert len(recut([one], 3, stride=1)) == 5
    assert recut([one], 8) == []


def test_coarser_steps_are_means_of_what_was_measured() -> None:
    one = recorded(steps=7)
    whole = np.frombuffer(one.window.values, np.float32).reshape(one.window.shape)
    (slow,) = coarsen([one], 3)
    assert (slow.window.steps, slow.window.step_seconds) == (2, 1.5)
    got = np.frombuffer(slow.window.values, np.float32).reshape(slow.window.shape)
    wanted = np.nanmean(whole[:, :6].reshape(2, 2, 3, -1), axis=2)
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert coarsen([one], 8) == []


@pytest.mark.skipif(not SMALL.exists(), reason="the small recorded set is not there")
def test_the_small_recorded_set_is_whole() -> None:
    recordings = read(SMALL)
    assert {one.split for one in recordings} == {"train", "validation", "test"}
    assert {one.window.steps for one in recordings} == {192}
    assert all(0.08 < one.window.step_seconds < 0.15 for one in recordings)
    assert {"none", "cpu_hog", "io_hog", "hang", "memory_leak", "throttled"} <= {
        one.fault for one in recordings
    }
    samples = stack([one.window for one in recut(recordings, 32)], 32, FEATURES)
    assert samples.usable.any(axis=1).all()
    runs = pq.read_table(SMALL / RUNS).to_pylist()
    assert {run["run"] for run in runs} == {one.run for one in recordings}
    size = sum(path.stat().st_size for path in SMALL.iterdir())
    assert size <= 1_500_000
    assert "CC-BY 4.0" in (SMALL / CARD).read_text()
