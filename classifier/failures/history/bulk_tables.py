"""Tables of runs, Parquet or CSV, as rows for :mod:`.bulk`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb

from . import bulk
from .bulk import Ending, Limits, Source
from .job_records import FAILED, OTHER, SKIPPED, SUCCESS, Counted, Group, count, milliseconds

REQUIRED = ("workflow", "site", "code")
OPTIONAL = ("cluster", "status", "verdict", "started", "ended")
_GOOD_CODES = frozenset({"", "0", "exit:0"})


class JobRecord(NamedTuple):
    """One row of a table. Times are seconds since the epoch, None where they are not known."""

    cluster: str
    workflow: str
    site: str
    code: str  # as in task.Cell; empty, 0 or exit:0 where it ended well
    status: str = ""  # of the site then: good or bad
    verdict: str = ""  # failed, success or other; empty: what the code says
    started: float | None = None
    ended: float | None = None


def read_table(path: Path, limits: Limits | None = None) -> Counted:
    """The tasks of a Parquet (``.parquet``) or CSV file; HistoryError where it is none."""
    return bulk.read_file(path, _source, limits)


def count_plainly(records: Iterable[JobRecord]) -> Counted:
    """The same, of records at hand and without a database: what :func:`read_table` must equal."""
    return count(map(_group, records))


def _group(record: JobRecord) -> Group:
    code, verdict = _read((record.verdict, record.code, None, None))
    if not bulk.fits(record.cluster, record.workflow, record.site, code):
        verdict = SKIPPED
    took = milliseconds(record.started, record.ended)
    names = (record.cluster, record.workflow, record.site, record.status.lower())
    return Group(*names, code, verdict, 1, record.ended, took)


def _read(ending: Ending) -> tuple[str, str]:
    told, code = (ending[0] or "").lower(), ending[1] or ""
    if told in (FAILED, SUCCESS, OTHER):
        return code, told
    if told:
        return code, SKIPPED
    return code, SUCCESS if code in _GOOD_CODES else FAILED


def _source(db: duckdb.DuckDBPyConnection, path: Path) -> Source:
    values = [bulk.literal(path)]
    if path.suffix == ".parquet":
        table = "read_parquet(?)"
        described = db.execute(f"DESCRIBE SELECT * FROM {table}", values).fetchall()
        columns = {name: name for name, *_ in described if name in (*REQUIRED, *OPTIONAL)}
    else:
        header = next(csv.reader([bulk.first_line(path)]), [])
        table = bulk.lines(len(header), '"')
        columns = {name.strip().lower(): f"c{number}" for number, name in enumerate(header)}
        values.append(",")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ValueError(f"column {missing[0]} is missing; a table has {', '.join(REQUIRED)}")
    return Source(_rows(table, columns), values, _read)


def _rows(table: str, columns: Mapping[str, str]) -> str:
    def words(name: str) -> str:
        return f"CAST({columns[name]} AS VARCHAR)" if name in columns else "NULL::VARCHAR"

    def time(name: str) -> str:
        return bulk.seconds(columns[name]) if name in columns else "NULL::DOUBLE"

    return f"""
        SELECT {words("cluster")} AS cluster, {words("workflow")} AS workflow,
            {words("site")} AS site, {words("status")} AS status,
            {words("verdict")} AS word, {words("code")} AS code,
            NULL AS signal, NULL AS hold,
            {time("started")} AS started, {time("ended")} AS ended
        FROM {table}
    """
