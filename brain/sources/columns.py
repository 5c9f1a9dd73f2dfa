"""A file of the archive: windows as the columns of a Parquet file, one row a window.

The values of a window lie feature by feature, ``[features, threads, steps]``: numbers of one
feature resemble each other and pack best beside each other. Plain float32 under zstd was smallest
and fastest of what was tried (dictionaries, byte-stream split, lz4); docs/trace-sources.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...jobs.windows import TraceWindow

FORMAT = "1"
FORMAT_KEY, FEATURES_KEY = b"jobmend_archive", b"features"
ROW_GROUP_VALUES = 1 << 21  # about so many numbers (8 MiB) are unpacked at a time
ROW_GROUP_ROWS = 4096
_OPTIONS = {
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": ["node", "owners.list.element"],
    "write_page_checksum": True,
}


@cache
def schema() -> Any:
    """The Arrow schema of the columns."""
    import pyarrow as pa

    def required(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    return pa.schema(
        [
            required("key", pa.string()),
            required("node", pa.string()),
            required("start", pa.float64()),
            required("step_seconds", pa.float64()),
            required("steps", pa.int32()),
            required("threads", pa.list_(required("element", pa.int32()))),
            required("owners", pa.list_(pa.field("element", pa.string()))),
            required("values", pa.list_(required("element", pa.float32()))),
        ]
    )


def tables(windows: Iterable[TraceWindow]) -> Iterator[Any]:
    """Arrow tables of windows that agree in their features, sorted by start and key.

    Each is about a row group, so that not all are in memory twice.
    """
    ordered = sorted(windows, key=lambda window: (window.start, window.key))
    sizes = np.array([len(window.values) for window in ordered], np.int64)
    for first, behind in _slices(sizes):
        yield _table(ordered[first:behind])


def _table(windows: Sequence[TraceWindow]) -> Any:
    import pyarrow as pa

    sizes = [0, *(len(window.values) for window in windows)]
    values = [_by_feature(window) for window in windows]
    kinds = schema()
    return pa.Table.from_arrays(
        [
            pa.array([window.key for window in windows], pa.string()),
            pa.array([window.node for window in windows], pa.string()),
            pa.array([window.start for window in windows], pa.float64()),
            pa.array([window.step_seconds for window in windows], pa.float64()),
            pa.array([window.steps for window in windows], pa.int32()),
            pa.array([window.threads for window in windows], kinds.field("threads").type),
            pa.array([window.owners for window in windows], kinds.field("owners").type),
            pa.ListArray.from_arrays(
                pa.array(np.cumsum(sizes), pa.int32()),
                np.concatenate(values),
                type=kinds.field("values").type,
            ),
        ],
        schema=kinds,
    )


def _by_feature(window: TraceWindow) -> NDArray[np.float32]:
    values = np.frombuffer(window.values, np.float32).reshape(window.shape)
    return np.moveaxis(values, -1, 0).ravel()


class Writer:
    """Writes row groups into an open file; the end of its block makes it a whole one."""

    def __init__(self, file: IO[bytes], features: tuple[str, ...]) -> None:
        """Begin a file of windows with these features."""
        import pyarrow.parquet as pq

        marks = {FORMAT_KEY: FORMAT.encode(), FEATURES_KEY: json.dumps(features).encode()}
        self._writer = pq.ParquetWriter(file, schema().with_metadata(marks), **_OPTIONS)

    def __enter__(self) -> Writer:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the footer."""
        self._writer.close()

    def write(self, table: Any) -> None:
        """Write rows sorted by start, in row groups of about ROW_GROUP_VALUES numbers."""
        for first, behind in _slices(lengths(table["values"])):
            self._writer.write_table(table.slice(first, behind - first))


def _slices(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Stretches of rows, each with at most ROW_GROUP_VALUES values where a row has not more."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = ends[first - 1] if first else 0
        fit = int(np.searchsorted(ends, before + ROW_GROUP_VALUES, side="right"))
        behind = min(max(fit, first + 1), first + ROW_GROUP_ROWS)
        yield first, behind
        first = behind


def lengths(column: Any) -> NDArray[np.int64]:
    """How long each list of a column is."""
    import pyarrow.compute as pc

    return np.asarray(pc.list_value_length(column), np.int64)
