"""Examples of traces in one file: the archive's columns, and beside them what is said of each."""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ....jobs.windows import TraceWindow
from ...sources import columns
from ..subject import Example

FORMAT: Final = "1"
_FORMAT_KEY = b"jobmend_examples"
_TOLD = ("group", "kind", "truth", "label")


def write(path: Path, examples: Sequence[Example[TraceWindow]]) -> None:
    """Write examples, in whatever order, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [_table(part) for part in _alike(examples)]
    table = pa.concat_tables(parts) if parts else pa.table({})
    marked = table.replace_schema_metadata({_FORMAT_KEY: FORMAT})
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        pq.write_table(marked, file, compression="zstd", write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _alike(
    examples: Sequence[Example[TraceWindow]],
) -> Iterator[list[Example[TraceWindow]]]:
    """Those with the same features together, in the order that the archive gives its rows."""

    def features(example: Example[TraceWindow]) -> tuple[str, ...]:
        return example.content.features

    def place(example: Example[TraceWindow]) -> tuple[float, str]:
        return example.content.start, example.content.key

    for _, part in itertools.groupby(sorted(examples, key=features), key=features):
        yield sorted(part, key=place)


def _table(examples: list[Example[TraceWindow]]) -> Any:
    import pyarrow as pa

    table = pa.concat_tables(columns.tables([example.content for example in examples]))
    for name in _TOLD:
        told = pa.array([getattr(example, name) for example in examples], pa.string())
        table = table.append_column(name, told)
    times = pa.array([example.time for example in examples], pa.float64())
    features = [list(example.content.features) for example in examples]
    return table.append_column("time", times).append_column(
        "features", pa.array(features, pa.list_(pa.string()))
    )


def read(path: Path) -> list[Example[TraceWindow]]:
    """The examples, oldest first; ValueError names the file where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if (file.schema_arrow.metadata or {}).get(_FORMAT_KEY) != FORMAT.encode():
                raise ValueError(f"not examples of format {FORMAT}")
            found = [example for batch in file.iter_batches(1024) for example in _examples(batch)]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        words = str(error).partition("\n")[0][:200]
        raise ValueError(f"{path}: damaged, begin another turn: {words}") from error
    return sorted(found, key=lambda example: (example.time, example.key))


def _examples(batch: Any) -> Iterator[Example[TraceWindow]]:
    told = {name: batch[name].to_pylist() for name in (*_WINDOW, *_TOLD, "time", "features")}
    values = batch["values"]
    flat = np.asarray(values.flatten(), dtype=np.float32)
    ends = np.asarray(values.offsets, dtype=np.int64) - values.offsets[0].as_py()
    for row in range(batch.num_rows):
        one = {name: column[row] for name, column in told.items()}
        window = _window(one, flat[ends[row] : ends[row + 1]])
        yield Example(key=one["key"], time=one["time"], content=window, **_only(one, _TOLD))


_WINDOW = ("key", "node", "start", "step_seconds", "steps", "threads", "owners")


def _only(one: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
    return {name: one[name] for name in names}


def _window(one: dict[str, Any], flat: Any) -> TraceWindow:
    shape = len(one["features"]), len(one["threads"]), one["steps"]
    values = np.moveaxis(flat.reshape(shape), 0, -1)
    return TraceWindow(
        node=one["node"],
        start=one["start"],
        step_seconds=one["step_seconds"],
        threads=tuple(one["threads"]),
        owners=tuple(one["owners"]),
        values=array("f", np.ascontiguousarray(values).tobytes()),
        features=tuple(one["features"]),
    )
