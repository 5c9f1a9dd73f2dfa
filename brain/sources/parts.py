"""Reading one file of the archive, a row group at a time, into arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .columns import FEATURES_KEY, FORMAT, FORMAT_KEY, lengths, schema
from .frames import NOBODY, Frames


class Damaged(Exception):
    """A file of the archive that cannot be read; the message names it and says why."""

    def __init__(self, path: Path, error: Exception) -> None:
        """``path`` cannot be read because of ``error``."""
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        super().__init__(f"{path}: cannot be read and is left out: {why[:200]}")
        self.path = path


class Part:
    """One open file of the archive, read a row group at a time.

    It is read to its end even where it is removed meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Open it; Damaged where it is no file of the archive, FileNotFoundError if it is gone."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            found = self._file.schema_arrow
            marks = found.metadata or {}
            if marks.get(FORMAT_KEY) != FORMAT.encode():
                told = marks.get(FORMAT_KEY, b"none").decode(errors="replace")[:20]
                raise ValueError(f"its format is {told}, this jobmend reads {FORMAT}")
            if not found.equals(schema()):
                raise ValueError("its columns are others than those of the archive")
            self.features: tuple[str, ...] = tuple(json.loads(marks[FEATURES_KEY]))
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(path, error) from error

    def groups(self) -> list[tuple[float, float]]:
        """First and last start of each row group."""
        metadata, place = self._file.metadata, schema().get_field_index("start")
        found = []
        for index in range(metadata.num_row_groups):
            told = metadata.row_group(index).column(place).statistics
            usable = told is not None and told.has_min_max
            found.append((told.min, told.max) if usable else (-np.inf, np.inf))
        return found

    def table(self, group: int) -> Any:
        """One row group as an Arrow table; Damaged where it cannot be read."""
        import pyarrow as pa

        try:
            return self._file.read_row_group(group, use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Damaged(self.path, error) from error

    def frames(self, table: Any) -> list[Frames]:
        """The windows of a table as arrays, one for each shape; Damaged where they fit none."""
        try:
            return list(_frames(table, self.features))
        except (ValueError, IndexError, TypeError) as error:
            raise Damaged(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _frames(table: Any, features: tuple[str, ...]) -> Iterator[Frames]:
    import pyarrow as pa

    table = table.combine_chunks()
    threads, steps = lengths(table["threads"]), np.asarray(table["steps"], np.int64)
    shapes = np.stack([threads, steps], axis=1)
    if (lengths(table["owners"]) != threads).any() or (
        lengths(table["values"]) != threads * steps * len(features)
    ).any():
        raise ValueError("its numbers do not fill the shape of a window")
    kinds, places = np.unique(shapes, axis=0, return_inverse=True)
    for kind, shape in enumerate(kinds):
        rows = np.flatnonzero(places == kind)
        part = table if len(rows) == len(table) else table.take(pa.array(rows))
        yield _one_shape(part, int(shape[0]), int(shape[1]), features)


def _one_shape(table: Any, threads: int, steps: int, features: tuple[str, ...]) -> Frames:
    windows = len(table)
    owners = _flat(table, "owners").dictionary_encode()
    packed = _flat(table, "values").to_numpy().reshape(windows, len(features), threads, steps)
    return Frames(
        keys=tuple(table["key"].to_pylist()),
        nodes=tuple(table["node"].to_pylist()),
        starts=table["start"].to_numpy(),
        step_seconds=table["step_seconds"].to_numpy(),
        threads=_flat(table, "threads").to_numpy().reshape(windows, threads),
        owners=owners.indices.fill_null(NOBODY).to_numpy().reshape(windows, threads),
        runs=tuple(owners.dictionary.to_pylist()),
        features=features,
        values=np.ascontiguousarray(np.moveaxis(packed, 1, -1)),
    )


def _flat(table: Any, name: str) -> Any:
    column = table[name]
    chunk = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return chunk.flatten()
