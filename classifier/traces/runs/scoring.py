"""Scoring a file of finished runs piece by piece, so that its size does not matter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ....jobs.text import printable
from . import table
from .model import RunModel, Tell
from .table import Ask, Table

ALARM = 0.01  # p-value whose rows are counted


@dataclass(frozen=True)
class Summary:
    """What was scored: rows, those of unlearned groups, those with ``p <= ALARM``; columns."""

    rows: int
    unknown_group: int
    odd: int
    used: tuple[str, ...]
    differences: tuple[str, ...]
    ignored: dict[str, str]
    absent: tuple[str, ...]


def score_file(model: RunModel, path: Path, out: Path, tell: Tell | None = None) -> Summary:
    """Score the rows of ``path`` into ``out``, a Parquet file with a row for each, in order.

    Columns: row, group, run (where the file has the model's run column), score, p_value,
    group_known, oddest. ValueError where the file cannot be read by this model, or is ``out``
    itself, which is then left as it was.
    """
    if out.exists() and path.exists() and out.samefile(path):
        raise ValueError(f"{out}: is the table to score; name another file for the scores")
    schema = table.schema_of(path)
    ask = _ask(model, schema)
    table.check(schema, path, ask)
    ignored = _ignored(model, schema, ask)
    absent = _absent(model, schema, path)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    total = pq.ParquetFile(path).metadata.num_rows
    rows = unknown = odd = 0
    try:
        with pq.ParquetWriter(beside, _schema(ask.split is not None)) as writer:
            for part in table.batches(path, ask, model.plan_.columns):
                scored = _scored(model, part, rows)
                writer.write_table(scored)
                rows += len(part)
                unknown += int((~scored["group_known"].to_numpy()).sum())
                odd += int((scored["p_value"].to_numpy() <= ALARM).sum())
                if tell is not None:
                    tell("scoring rows", rows, total)
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)
    used = tuple(name for name in model.plan_.values if name not in absent)
    return Summary(rows, unknown, odd, used, model.plan_.differences, ignored, absent)


def _ask(model: RunModel, schema: pa.Schema) -> Ask:
    split = model.ask_.split
    return Ask(model.ask_.group, split if split in schema.names else None)


def _ignored(model: RunModel, schema: pa.Schema, ask: Ask) -> dict[str, str]:
    """Why columns of the file are not read."""
    why = table.ignored(schema, ask)
    read = model.plan_.columns
    unread = [name for name in schema.names if name not in why and name not in read]
    return why | {name: model.ignored_.get(name, "not in the model") for name in unread}


def _absent(model: RunModel, schema: pa.Schema, path: Path) -> tuple[str, ...]:
    """Columns that the model reads and the file lacks; they count as not measured."""
    wanted = model.plan_.columns
    for name in sorted(wanted & set(schema.names)):
        kind = schema.field(name).type
        if not table.is_number(kind) and not pa.types.is_null(kind):
            raise ValueError(
                f"{path}: column {printable(name)} holds {printable(str(kind), 30)}, "
                "the model reads numbers there"
            )
    absent = tuple(sorted(wanted - set(schema.names)))
    if 2 * len(absent) > len(wanted):
        missing = ", ".join(printable(name, 40) for name in absent[:10])
        raise ValueError(
            f"{path}: lacks {len(absent)} of the {len(wanted)} columns that the model reads "
            f"({missing}); score a table of the same kind, or train a model on this one"
        )
    return absent


def _schema(with_run: bool) -> pa.Schema:
    fields = [pa.field("row", pa.int64()), pa.field("group", pa.string())]
    if with_run:
        fields.append(pa.field("run", pa.string()))
    fields += [pa.field("score", pa.float64()), pa.field("p_value", pa.float64())]
    fields += [pa.field("group_known", pa.bool_()), pa.field("oddest", pa.string())]
    return pa.schema(fields)


def _scored(model: RunModel, part: Table, first: int) -> pa.Table:
    scored = model.score(part)
    columns = {
        "row": np.arange(first, first + len(part)),
        "group": part.groups,
        "run": part.splits,
        "score": scored.scores,
        "p_value": scored.p_values,
        "group_known": scored.known,
        "oddest": scored.oddest,
    }
    schema = _schema(part.splits is not None)
    return pa.table({field.name: columns[field.name] for field in schema}, schema=schema)
