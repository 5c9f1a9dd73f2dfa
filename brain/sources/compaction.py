"""Joining the many small files of one day: each is read once, none is gone before its rows lie."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from . import partitions
from .columns import ROW_GROUP_ROWS, ROW_GROUP_VALUES, Writer, lengths
from .parts import Part

SMALL_BYTES = 32 << 20  # a file that is larger stays as it is
FILES = 16  # fewer small files are not worth the work
JOINED_BYTES = 256 << 20  # of small files that become one


def compact(day: Path, paths: Sequence[Path]) -> int:
    """Join the small ones among these files of a partition where they are many; how many.

    A kill at any moment leaves all rows, some perhaps twice. Damaged names a file that cannot be
    read: nothing was changed.
    """
    sizes = {path: partitions.size(path) for path in paths}
    small = [path for path in paths if sizes[path] < SMALL_BYTES]
    totals = itertools.accumulate(sizes[path] for path in small)
    small = [path for path, total in zip(small, totals, strict=True) if total <= JOINED_BYTES]
    if len(small) < FILES:
        return 0
    with ExitStack() as stack:
        by_features: dict[tuple[str, ...], list[Part]] = {}
        for path in small:
            part = Part(path)
            stack.callback(part.close)
            by_features.setdefault(part.features, []).append(part)
        return sum(_join(day, features, parts) for features, parts in by_features.items())


def _join(day: Path, features: tuple[str, ...], parts: Sequence[Part]) -> int:
    if len(parts) < 2:
        return 0
    first = min(first for part in parts for first, _ in part.groups())
    name = partitions.name_of(first, (part.path.name for part in parts))
    with partitions.writing(day / name) as file, Writer(file, features) as writer:
        for table in _batches(parts):
            writer.write(table.sort_by([("start", "ascending"), ("key", "ascending")]))
    partitions.remove(day, [part.path for part in parts if part.path.name != name])
    return len(parts)


def _batches(parts: Sequence[Part]) -> Iterator[Any]:
    """The rows of all files, each once, as tables of about one row group."""
    import pyarrow as pa

    groups = [
        (first, part, group) for part in parts for group, (first, _) in enumerate(part.groups())
    ]
    groups.sort(key=lambda entry: entry[0])
    seen: set[str] = set()
    waiting: list[Any] = []
    values = rows = 0
    for _, part, group in groups:
        table = without(part.table(group), seen)
        waiting.append(table)
        rows += len(table)
        values += int(lengths(table["values"]).sum())
        if values >= ROW_GROUP_VALUES or rows >= ROW_GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting, values, rows = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def without(table: Any, seen: set[str]) -> Any:
    """The rows of a table whose keys are not among those seen, which they are added to."""
    wanted = np.ones(len(table), bool)
    for row, key in enumerate(table["key"].to_pylist()):
        wanted[row] = key not in seen
        seen.add(key)
    return table if wanted.all() else table.filter(wanted)
