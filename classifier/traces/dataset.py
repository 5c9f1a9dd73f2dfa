"""A data set of recorded traces: windows of runs with their job type and fault, as Parquet.

One row is one hardware thread in one window. ``docs/trace-data.md`` describes the columns.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...jobs.windows import FEATURES, TraceWindow
from .normalise import Floats

VERSION = 1
WINDOWS, RUNS, CARD = "windows.parquet", "runs.parquet", "CARD.md"
SPLITS = ("train", "validation", "test")
HEALTHY = "none"
MAX_ROWS = 50_000_000
_ROW_GROUP = 4096
_NAMED = ("run", "job_type", "fault", "split", "node", "owner")
_NUMBERED = ("fault_start", "start", "step_seconds")
COLUMNS = (*_NAMED, *_NUMBERED, "thread", "values")


class DatasetError(ValueError):
    """A file that is no such data set; one sentence names the file, what is wrong, and the cure."""


@dataclass(frozen=True)
class Recorded:
    """One window, what ran in it, and the part of the data set that its run belongs to.

    ``fault_start`` is when the fault began, in seconds since the epoch; None for a healthy run.
    """

    run: str
    job_type: str
    fault: str
    split: str
    fault_start: float | None
    window: TraceWindow

    @property
    def is_faulty(self) -> bool:
        """Had the fault begun before the window was half over?"""
        window = self.window
        middle = window.start + window.steps * window.step_seconds / 2
        return self.fault_start is not None and self.fault_start < middle


def write(path: Path, recorded: Sequence[Recorded]) -> None:
    """Write windows of equal steps and features; DatasetError where there are none or they differ.

    A run belongs to one split: DatasetError where it does not.
    """
    shapes = {(one.window.steps, one.window.features) for one in recorded}
    if len(shapes) != 1:
        raise DatasetError(f"{path}: windows of {len(shapes)} shapes, a data set has those of one")
    steps, features = shapes.pop()
    table = _table(recorded, steps, features)
    _check_splits(path, table)
    beside = path.with_name(f".{path.name}")
    pq.write_table(
        table,
        beside,
        compression="zstd",
        compression_level=15,
        row_group_size=_ROW_GROUP,
        use_dictionary=list(_NAMED),
    )
    beside.replace(path)


def _table(recorded: Sequence[Recorded], steps: int, features: tuple[str, ...]) -> pa.Table:
    rows = [(one, place) for one in recorded for place in range(len(one.window.threads))]
    flat = np.concatenate([np.frombuffer(one.window.values, np.float32) for one in recorded])
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat), steps * len(features))
    columns = {name: [getattr(one, name) for one, _ in rows] for name in _NAMED[:4]}
    columns["node"] = [one.window.node for one, _ in rows]
    columns["owner"] = [one.window.owners[place] for one, place in rows]
    numbers = {
        "fault_start": [one.fault_start for one, _ in rows],
        "start": [one.window.start for one, _ in rows],
        "step_seconds": [one.window.step_seconds for one, _ in rows],
    }
    arrays = {
        **{name: pa.array(column, pa.string()) for name, column in columns.items()},
        **{name: pa.array(column, pa.float64()) for name, column in numbers.items()},
        "thread": pa.array([one.window.threads[place] for one, place in rows], pa.int32()),
        "values": values,
    }
    told = {"jobmend_traces": str(VERSION), "steps": str(steps), "features": json.dumps(features)}
    return pa.table(arrays).replace_schema_metadata(told)


def read(path: Path, features: tuple[str, ...] | None = FEATURES) -> list[Recorded]:
    """The windows of a data set, run by run in order of time; ``path`` may be its folder.

    DatasetError where the file is none, has other columns or features (None takes any), or holds
    numbers that nobody can have measured.
    """
    place = path / WINDOWS if path.is_dir() else path
    table = _read_table(place)
    _, stored = _shape(place, table)
    if features is not None and stored != features:
        raise DatasetError(
            f"{place}: its features are {', '.join(stored)}, wanted are {', '.join(features)}; "
            "record it anew with this version"
        )
    flat = _checked_values(place, table)
    _check_columns(place, table)
    _check_splits(place, table)
    return list(_windows(place, table, flat, stored))


def _read_table(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > MAX_ROWS:
                raise DatasetError(f"{path}: more than {MAX_ROWS} rows; read a part of it")
            table = file.read()
            if not table.num_rows:
                raise DatasetError(f"{path}: holds no windows; record some with bench/record.py")
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: cannot be read as Parquet: {_one_line(error)}") from error
    if set(table.column_names) != set(COLUMNS):
        missing = sorted(set(COLUMNS) - set(table.column_names)) or "none"
        extra = sorted(set(table.column_names) - set(COLUMNS)) or "none"
        raise DatasetError(
            f"{path}: other columns than a data set of traces has (missing {missing}, "
            f"unknown {extra}); record it with bench/record.py"
        )
    return table


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _shape(path: Path, table: pa.Table) -> tuple[int, tuple[str, ...]]:
    """Steps and features as the file's metadata says; they must fill a list of values."""
    told = table.schema.metadata or {}
    try:
        version, steps = int(told[b"jobmend_traces"]), int(told[b"steps"])
        features = tuple(json.loads(told[b"features"]))
        width = table.schema.field("values").type.list_size
        typed = table.schema.field("values").type.value_type == pa.float32()
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{path}: does not say its version, steps and features; record it anew"
        ) from error
    if version != VERSION:
        raise DatasetError(
            f"{path}: format {version}, this version reads {VERSION}; record it anew"
        )
    named = bool(features) and all(isinstance(feature, str) for feature in features)
    if not named or not typed or steps < 1 or steps * len(features) != width:
        raise DatasetError(
            f"{path}: {steps} steps of {len(features)} features do not fill its lists of {width}; "
            "record it anew"
        )
    return steps, features


def _checked_values(path: Path, table: pa.Table) -> Floats:
    """``[rows, steps x features]``; NaN is "not measured", infinite or negative is damage."""
    column = pa.concat_arrays(table.column("values").chunks)
    if column.null_count or column.flatten().null_count:
        raise DatasetError(f"{path}: rows without values; write NaN for what was not measured")
    flat = np.asarray(column.flatten(), dtype=np.float32).reshape(len(column), -1)
    wrong = ~np.isnan(flat) & ~((flat >= 0) & np.isfinite(flat))
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise DatasetError(f"{path}: row {row} holds a negative or infinite number; record it anew")
    return flat


def _check_columns(path: Path, table: pa.Table) -> None:
    for name in (*_NAMED[:5], "start", "step_seconds", "thread"):
        if table.column(name).null_count:
            raise DatasetError(f"{path}: column {name} has empty rows; only owner may have them")
    for name in _NUMBERED:
        for number in table.column(name).drop_null().to_pylist():
            if not isinstance(number, float) or not math.isfinite(number):
                raise DatasetError(f"{path}: column {name} holds {number}; record it anew")


def _check_splits(path: Path, table: pa.Table) -> None:
    """A run in two splits would be tested on what it was trained on."""
    belongs: dict[str, str] = {}
    for run, split in zip(
        table.column("run").to_pylist(), table.column("split").to_pylist(), strict=True
    ):
        if split not in SPLITS:
            raise DatasetError(f"{path}: split {split!r}; it is one of {', '.join(SPLITS)}")
        if belongs.setdefault(run, split) != split:
            raise DatasetError(f"{path}: run {run!r} is in two splits; split it by run")


def _windows(
    path: Path, table: pa.Table, flat: Floats, features: tuple[str, ...]
) -> Iterator[Recorded]:
    columns = {name: table.column(name).to_pylist() for name in COLUMNS if name != "values"}

    def key(row: int) -> tuple[str, float, str]:
        return columns["run"][row], columns["start"][row], columns["node"][row]

    order = sorted(range(len(flat)), key=lambda row: (*key(row), columns["thread"][row]))
    for _, group in groupby(order, key=key):
        rows = list(group)
        first = {name: column[rows[0]] for name, column in columns.items()}
        try:
            window = TraceWindow(
                node=first["node"],
                start=first["start"],
                step_seconds=first["step_seconds"],
                threads=tuple(columns["thread"][row] for row in rows),
                owners=tuple(columns["owner"][row] for row in rows),
                values=array("f", flat[rows].tobytes()),
                features=features,
            )
        except ValueError as error:
            raise DatasetError(f"{path}: run {first['run']!r}: {error}; record it anew") from error
        told = {name: first[name] for name in (*_NAMED[:4], "fault_start")}
        yield Recorded(**told, window=window)
