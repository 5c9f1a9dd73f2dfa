"""Reading tables: which columns count, what labels mean, what is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.classifier.traces.runs import table as tables
from jobmend.classifier.traces.runs.columns import Kind, judge, spans
from jobmend.classifier.traces.runs.features import plan
from jobmend.classifier.traces.runs.table import MISSING, Ask, batches, faults, read
from tests.classifier.traces.runs.conftest import MakeColumns, WriteTable

HOSTILE = "w\x1b[2J[bold]\u202e\r\n'; DROP"


def test_numbers_are_read_and_the_rest_is_told(
    make_columns: MakeColumns, write_table: WriteTable
) -> None:
    path = write_table({**make_columns(), "host": ["n1"] * 600})
    table = read(path, Ask("task", "flow", "fault", ("waited",)))
    assert set(table.columns) == {"bytes", "runtime", "begun", "ended"}
    assert table.ignored is not None
    assert table.ignored["waited"] == "told to ignore"
    assert table.ignored["fault"] == "the label"
    assert table.ignored["host"].startswith("not a number")
    assert table.splits is not None and table.faulty is not None
    assert 0 < table.faulty.sum() < len(table) == 600


@pytest.mark.parametrize(
    ("labels", "faulty"),
    [
        (["x", None, "", "normal", "Normal ", "0", "cpu_2"], [1, 0, 0, 0, 0, 0, 1]),
        ([0, 1, None, 7], [0, 1, 0, 1]),
        ([0.0, 1.5, None, float("nan")], [0, 1, 0, 0]),
        ([-0.0, 1e-300, float("inf")], [0, 1, 1]),
        ([Decimal("0.00"), Decimal("0.01"), None], [0, 1, 0]),
        ([True, False, None], [1, 0, 0]),
        ([None, None], [0, 0]),
    ],
)
def test_what_labels_mean(labels: list[Any], faulty: list[int]) -> None:
    assert faults(pa.chunked_array([labels])).tolist() == [bool(one) for one in faulty]


def test_labels_of_a_dictionary_are_read() -> None:
    assert faults(pa.chunked_array([pa.array(["a", None]).dictionary_encode()])).tolist() == [
        True,
        False,
    ]


def test_a_whole_number_is_the_same_group_beside_a_missing_one(write_table: WriteTable) -> None:
    whole = read(write_table({"g": [7, 12], "x": [1, 2]}), Ask("g"))
    beside = read(write_table({"g": [7.0, None, 12.5], "x": [1, 2, 3]}), Ask("g"))
    assert whole.groups.tolist() == ["7", "12"]
    assert beside.groups.tolist() == ["7", MISSING, "12.5"]


def test_every_kind_of_number_becomes_a_number(write_table: WriteTable) -> None:
    day = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    path = write_table(
        {
            "g": pa.array([1, 1, None]),
            "flag": [True, False, None],
            "decimal": [Decimal("1.5"), Decimal("2.5"), None],
            "half": pa.array(np.array([1, 2, 3], np.float16)),
            "wide": pa.array([2**63, 1, 0], pa.uint64()),
            "at": pa.array([day, day, None], pa.timestamp("ms", "UTC")),
            "date": pa.array([day.date(), day.date(), None]),
            "date64": pa.array([day.date(), day.date(), None], pa.date64()),
            "took": pa.array([1500, 2500, None], pa.duration("ms")),
            "endless": [float("inf"), 1.0, 2.0],
            "text": ["1", "2", "3"],
            "list": [[1], [2], [3]],
            "none": pa.nulls(3),
        }
    )
    table = read(path, Ask("g"))
    assert table.groups.tolist() == ["1", "1", MISSING]
    assert table.columns["flag"][:2].tolist() == [1.0, 0.0]
    assert table.columns["decimal"][:2].tolist() == [1.5, 2.5]
    assert table.columns["took"][:2].tolist() == [1.5, 2.5]
    assert table.columns["at"][0] == table.columns["date"][0] == table.columns["date64"][0]
    assert np.isnan(table.columns["endless"][0])
    assert table.ignored is not None
    assert {"text", "list", "none"} <= set(table.ignored)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (Ask("nothing"), "no column nothing"),
        (Ask("task", "nothing"), "no column nothing"),
        (Ask("task", None, "nothing"), "no column nothing"),
        (Ask("task", ignore=("nothing",)), "no column nothing"),
        (Ask("task", ignore=("bytes", "runtime", "begun", "ended", "waited")), "no numeric"),
        (Ask(HOSTILE), "no column w\ufffd"),
    ],
)
def test_columns_that_are_not_there_are_named(
    ask: Ask, told: str, make_columns: MakeColumns, write_table: WriteTable
) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        read(write_table(make_columns()), ask)
    assert "\x1b" not in str(raised.value)


def test_files_that_are_none_are_named(tmp_path: Path, write_table: WriteTable) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read(tmp_path / "nothing.parquet", Ask("g"))
    text = tmp_path / "text.parquet"
    text.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no Parquet"):
        read(text, Ask("g"))
    whole = write_table({"g": ["a"] * 5000, "x": list(range(5000))}).read_bytes()
    text.write_bytes(whole[:100] + b"\xff" * 200 + whole[300:])
    with pytest.raises(ValueError, match="damaged|is no Parquet"):
        read(text, Ask("g"))
    with pytest.raises(ValueError, match="lists, not single values"):
        read(write_table({"g": [[1]], "x": [1]}), Ask("g"))


def test_more_numbers_than_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, make_columns: MakeColumns, write_table: WriteTable
) -> None:
    path = write_table(make_columns())
    monkeypatch.setattr(tables, "MAX_CELLS", 100)
    with pytest.raises(ValueError, match="learn from a part"):
        read(path, Ask("task"))


def test_a_scored_table_may_be_wider_than_what_is_learned_from(write_table: WriteTable) -> None:
    wide = write_table({"g": ["a"], **{f"c{n}": [n] for n in range(tables.MAX_COLUMNS + 1)}})
    with pytest.raises(ValueError, match="1001 columns, at most 1000; use --ignore"):
        read(wide, Ask("g"))
    (part,) = batches(wide, Ask("g"), {"c3", "c5", "gone"})
    assert {name: one.tolist() for name, one in part.columns.items()} == {"c3": [3], "c5": [5]}


def test_what_the_table_calls_a_date_is_one_whatever_its_values(write_table: WriteTable) -> None:
    at = dt.datetime(2026, 1, 2)
    never = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), None]
    ends = [at + dt.timedelta(minutes=n * n) for n in range(97)]
    path = write_table(
        {
            "g": ["a"] * 100,
            "began": pa.array([at] * 50 + [dt.datetime(1970, 1, 1)] * 50, pa.timestamp("ms")),
            "memory_freed": pa.array(ends + never, pa.timestamp("ms")),
            "day": pa.array([dt.date(1, 1, 1)] * 50 + [dt.date(2026, 1, 2)] * 50),
        }
    )
    for table in (read(path, Ask("g")), read(path, Ask("g")).take(np.arange(100))):
        found, ignored = plan(table)
        assert found.values == () and ignored == {"g": "the group"}
        assert found.differences


def test_numbers_at_the_end_of_float64_are_features_without_a_word(
    make_columns: MakeColumns, write_table: WriteTable
) -> None:
    endless = np.resize([1.7e308, 0.25, -1.7e308, 5e-324, 0.125], 600)
    table = read(write_table({**make_columns(), "limit": endless}), Ask("task", "flow", "fault"))
    with np.errstate(all="raise", under="ignore"):
        found, _ = plan(table)
        matrix = found.apply(table)
    assert "limit" in found.values
    assert np.isfinite(matrix).all()


def test_batches_are_the_table(
    monkeypatch: pytest.MonkeyPatch, make_columns: MakeColumns, write_table: WriteTable
) -> None:
    path = write_table(make_columns())
    monkeypatch.setattr(tables, "BATCH_ROWS", 70)
    parts = list(batches(path, Ask("task"), {"runtime"}))
    whole = read(path, Ask("task"))
    assert np.array_equal(
        np.concatenate([part.columns["runtime"] for part in parts]), whole.columns["runtime"]
    )
    assert [len(part) for part in parts] == [70] * 8 + [40]


# ---- what a column is --------------------------------------------------------------------------

ROWS = 500
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("runtime", RNG.lognormal(5, 1, ROWS), Kind.VALUE),
        ("bytes", RNG.uniform(9e8, 2e9, ROWS).round(), Kind.VALUE),
        ("stage_in_bytes", RNG.uniform(1.0e9, 1.1e9, ROWS).round(), Kind.VALUE),
        ("start", RNG.uniform(1.6e9, 1.7e9, ROWS), Kind.TIME),
        ("start_ms", RNG.uniform(1.6e12, 1.7e12, ROWS), Kind.TIME),
        ("start_ns", RNG.uniform(1.6e18, 1.7e18, ROWS), Kind.TIME),
        ("same", np.full(ROWS, 3.0), Kind.CONSTANT),
        ("nothing", np.full(ROWS, np.nan), Kind.EMPTY),
        ("user_id", RNG.integers(0, 30, ROWS).astype(float), Kind.IDENTIFIER),
        ("jobId", RNG.integers(0, 30, ROWS).astype(float), Kind.IDENTIFIER),
        ("valid", RNG.integers(0, 30, ROWS).astype(float), Kind.VALUE),
        ("number", RNG.permutation(ROWS).astype(float), Kind.IDENTIFIER),
        ("clock", np.cumsum(RNG.integers(1, 90, ROWS)).astype(float), Kind.CLOCK),
        ("codes", RNG.integers(0, 5, ROWS).astype(float), Kind.VALUE),
        ("few", np.array([1.0, 2.0, 3.0]), Kind.VALUE),
    ],
)
def test_what_a_column_is(name: str, values: np.ndarray, kind: Kind) -> None:
    assert judge(name, values) is kind


def test_points_in_time_are_ordered_though_measured_in_other_rows() -> None:
    begun = np.array([100.0, 200.0, 300.0, 400.0])
    ended = begun + 10
    between = np.array([np.nan, np.nan, np.nan, 405.0])
    assert spans({"ended": ended, "between": between, "begun": begun}) == [
        ("between", "begun"),
        ("ended", "between"),
        ("ended", "begun"),
    ]
    assert spans({"one": begun}) == []
    assert spans({}) == []


def test_features_leave_out_names_clocks_and_repetitions(
    make_columns: MakeColumns, write_table: WriteTable
) -> None:
    columns = make_columns()
    columns["seconds"] = [1000.0 * value for value in columns["runtime"]]
    columns["row"] = list(range(600))
    found, why = plan(read(write_table(columns), Ask("task", "flow", "fault")))
    assert set(found.names) == {"bytes", "runtime", "waited"}, "ended - begun is the runtime"
    assert why["seconds"] == "says the same as runtime"
    assert why["row"] == Kind.CLOCK
    assert why["begun"] == Kind.TIME


@given(st.lists(st.floats(width=64), min_size=1, max_size=80), st.text(max_size=10))
def test_any_column_is_judged(values: list[float], name: str) -> None:
    numbers = np.array(values)
    numbers[~np.isfinite(numbers)] = np.nan
    assert judge(name, numbers) in Kind
