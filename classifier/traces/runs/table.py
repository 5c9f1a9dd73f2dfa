"""Tables of finished runs, one a row: which columns say something and who a row belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ....jobs.text import printable

Floats = NDArray[np.float64]
Names = NDArray[np.object_]
Flags = NDArray[np.bool_]

MAX_CELLS = 120_000_000  # numbers held at once while learning: about a gigabyte
MAX_COLUMNS = 1000
BATCH_ROWS = 65_536
MISSING = "(missing)"  # the group or run of rows that name none
HEALTHY = frozenset({"", "normal", "0", "0.0", "false", "nan"})  # labels, case-folded


@dataclass(frozen=True)
class Ask:
    """The columns a person named: group, split (the run), label, and those to ignore."""

    group: str
    split: str | None = None
    label: str | None = None
    ignore: tuple[str, ...] = ()

    def named(self) -> dict[str, str]:
        """Why each named column is no feature, by column; only what is there counts."""
        reasons = {name: "told to ignore" for name in self.ignore}
        roles = (self.group, "the group"), (self.split, "the run"), (self.label, "the label")
        return reasons | {name: why for name, why in roles if name is not None}


@dataclass(frozen=True)
class Table:
    """Rows of finished runs.

    ``columns`` are float64 ``[rows]`` with NaN = not measured; ``groups`` and ``splits`` are text;
    ``faulty`` is what the label says; ``ignored`` tells why a column is no number of a run;
    ``times`` names the columns whose type is a point in time.
    """

    columns: Mapping[str, Floats]
    groups: Names
    splits: Names | None = None
    faulty: Flags | None = None
    ignored: Mapping[str, str] | None = None
    times: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.groups)

    def take(self, rows: NDArray[np.intp]) -> Table:
        """These rows alone."""
        return Table(
            {name: column[rows] for name, column in self.columns.items()},
            self.groups[rows],
            None if self.splits is None else self.splits[rows],
            None if self.faulty is None else self.faulty[rows],
            self.ignored,
            self.times,
        )


def read(path: Path, ask: Ask) -> Table:
    """The whole table; ValueError where the file or the named columns cannot be used."""
    file = _open(path)
    names = _features(file.schema_arrow, path, ask)
    if file.metadata.num_rows * len(names) > MAX_CELLS:
        raise ValueError(
            f"{path}: {file.metadata.num_rows} rows of {len(names)} columns are more than are "
            f"held at once ({MAX_CELLS} numbers); learn from a part of the rows, or use --ignore"
        )
    rows = _read(file, path, [*names, *_roles(ask)])
    return _table(rows, names, ask, ignored(file.schema_arrow, ask))


def batches(path: Path, ask: Ask, wanted: Collection[str]) -> Iterator[Table]:
    """The table piece by piece, with the numbers of ``wanted`` that are there.

    ValueError as in read, but for columns that are too many or none.
    """
    file = _open(path)
    check(file.schema_arrow, path, ask)
    names = [name for name in _numeric(file.schema_arrow, ask) if name in wanted]
    try:
        for rows in file.iter_batches(BATCH_ROWS, columns=[*names, *_roles(ask)]):
            yield _table(pa.table(rows), names, ask, {})
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: damaged, its rows cannot be read; write it anew") from error


def schema_of(path: Path) -> pa.Schema:
    """The columns and types of a file; ValueError where it is no Parquet."""
    return _open(path).schema_arrow


def ignored(schema: pa.Schema, ask: Ask) -> dict[str, str]:
    """Why columns of the file are no numbers of a run, by column."""
    named = ask.named()
    return {
        field.name: named.get(field.name, f"not a number ({_short(field.type)})")
        for field in schema
        if field.name in named or not is_number(field.type)
    }


def is_number(kind: pa.DataType) -> bool:
    """Whether values of this type are numbers, flags or points in time."""
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_timestamp(kind)
        or types.is_date(kind)
        or types.is_duration(kind)
    )


def faults(column: pa.ChunkedArray) -> Flags:
    """Which labels tell of a fault: all but missing, empty, normal, 0 and False."""
    column = _plain(column)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray((numbers != 0) & ~np.isnan(numbers), np.bool_)
    unique, where = np.unique(_texts(column, ""), return_inverse=True)
    return np.array([text.strip().casefold() not in HEALTHY for text in unique], np.bool_)[where]


def _open(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: is no Parquet file that can be read") from error


def check(schema: pa.Schema, path: Path, ask: Ask) -> None:
    """ValueError where the named columns cannot be used."""
    names = schema.names
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: two columns have the same name; rename one")
    for role in (*_roles(ask), *ask.ignore):
        if role not in names:
            known = ", ".join(printable(name, 40) for name in names[:30])
            raise ValueError(f"{path}: no column {printable(role)}; there are {known}")
    for role in _roles(ask):
        if pa.types.is_nested(schema.field(role).type):
            raise ValueError(f"{path}: column {printable(role)} holds lists, not single values")


def _features(schema: pa.Schema, path: Path, ask: Ask) -> list[str]:
    """The columns to learn from; ValueError where there are none, or more than are learned from."""
    check(schema, path, ask)
    kept = _numeric(schema, ask)
    if not kept:
        raise ValueError(f"{path}: no numeric columns besides those named; nothing to learn from")
    if len(kept) > MAX_COLUMNS:
        raise ValueError(f"{path}: {len(kept)} columns, at most {MAX_COLUMNS}; use --ignore")
    return kept


def _numeric(schema: pa.Schema, ask: Ask) -> list[str]:
    return [f.name for f in schema if is_number(f.type) and f.name not in ask.named()]


def _roles(ask: Ask) -> list[str]:
    named = (ask.group, ask.split, ask.label)
    return list(dict.fromkeys(name for name in named if name is not None))


def _read(file: pq.ParquetFile, path: Path, columns: list[str]) -> pa.Table:
    try:
        return file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: damaged, its rows cannot be read; write it anew") from error


def _table(rows: pa.Table, names: list[str], ask: Ask, why: Mapping[str, str]) -> Table:
    return Table(
        {name: _numbers(rows.column(name)) for name in names},
        _texts(rows.column(ask.group), MISSING),
        None if ask.split is None else _texts(rows.column(ask.split), MISSING),
        None if ask.label is None else faults(rows.column(ask.label)),
        why,
        frozenset(name for name in names if _is_time(rows.column(name).type)),
    )


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _numbers(column: pa.ChunkedArray) -> Floats:
    """As float64; points in time and durations in seconds; what is not finite is NaN."""
    kind, per_second = column.type, 1.0
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("s")), pa.timestamp("s")
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        column = column.cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    numbers = np.array(values, dtype=np.float64) / per_second
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _texts(column: pa.ChunkedArray, missing: str) -> Names:
    column = _plain(column)
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        decoded = [missing if v is None else v.decode(errors="replace") for v in column.to_pylist()]
        return np.array(decoded, dtype=object)
    filled = pc.fill_null(column.cast(pa.string()), missing)
    texts: Names = np.asarray(filled.to_numpy(zero_copy_only=False), dtype=object)
    if pa.types.is_floating(column.type):
        # whole numbers become floats where one is missing, and must stay the same group
        unique, where = np.unique(texts, return_inverse=True)
        return np.array([text.removesuffix(".0") for text in unique], dtype=object)[where]
    return texts


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What a dictionary stands for."""
    if isinstance(column.type, pa.DictionaryType):
        return column.cast(column.type.value_type)
    return column


def _short(kind: pa.DataType) -> str:
    return printable(str(kind), 30)
