"""A million runs and more as failed tasks: DuckDB reads the file and groups what is alike.

Three kinds of file: tables of runs (Parquet or CSV), what ``sacct`` prints, and what
``condor_history -json`` prints. docs/failure-history.md lists their columns. What a file says is
data: it reaches SQL as values alone, and columns under names of ours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from ....jobs.text import printable
from .cms import HistoryError
from .job_records import SKIPPED, Counted, Group, count

ROWS = 20_000  # fetched at a time

# How a run ended in its source's own words, NULL where one is not told; the key of a group.
Ending = tuple[str | None, str | None, str | None, str | None]

# Times outside are not of ours: NaN, infinities, milliseconds, before the epoch.
_GROUPS = """
WITH told AS (
    SELECT * REPLACE (
        CASE WHEN ended BETWEEN 0 AND 1e11 THEN ended END AS ended,
        CASE WHEN started BETWEEN 0 AND 1e11 THEN started END AS started
    ) FROM ({rows})
)
SELECT
    coalesce(cluster, ''), coalesce(workflow, ''), coalesce(site, ''),
    coalesce(lower(status), ''), word, code, signal, hold,
    count(*), max(ended), sum(CAST(floor((ended - started) * 1000) AS BIGINT))
FROM told
GROUP BY cluster, workflow, site, status, word, code, signal, hold
"""


@dataclass(frozen=True)
class Limits:
    """What the database may use; beyond ``memory`` it goes to disk."""

    memory: str = "1GB"
    threads: int = 2


@dataclass(frozen=True)
class Source:
    """Rows in SQL, the values in it, and how an ending reads: as a code and a verdict."""

    rows: str  # gives cluster, workflow, site, status, word, code, signal, hold, started, ended
    values: Sequence[object]
    read: Callable[[Ending], tuple[str, str]]


def connect(limits: Limits, spill: str) -> duckdb.DuckDBPyConnection:
    """A database in memory that reads local files and loads no extension."""
    settings: dict[str, Any] = {
        "memory_limit": limits.memory,
        "threads": limits.threads,
        "temp_directory": spill,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    db = duckdb.connect(":memory:", config=settings)
    db.execute("SET TimeZone = 'UTC'")
    return db


def read_file(
    path: Path,
    source_of: Callable[[duckdb.DuckDBPyConnection, Path], Source],
    limits: Limits | None = None,
) -> Counted:
    """The tasks of one file; HistoryError names the file where it cannot be read."""
    name = printable(str(path))
    if not path.is_file():
        raise HistoryError(f"{name}: there is no such file")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="jobmend-") as spill,
            connect(limits or Limits(), spill) as db,
        ):
            counted = count(_groups(db, source_of(db, path)))
            rejected = _rejected(db)
    except ValueError as error:
        raise HistoryError(f"{name}: {error}") from error
    except duckdb.Error as error:
        words = printable(str(error).split("\n")[0], 200)
        raise HistoryError(f"{name}: cannot be read: {words}") from error
    return Counted(counted.tasks, counted.runs, counted.skipped + rejected)


def _groups(db: duckdb.DuckDBPyConnection, source: Source) -> Iterator[Group]:
    read = lru_cache(maxsize=10_000)(source.read)
    found = db.execute(_GROUPS.format(rows=source.rows), source.values)
    while rows := found.fetchmany(ROWS):
        for cluster, workflow, site, status, *ending, n, ended, milliseconds in rows:
            code, verdict = read(tuple(ending))
            if not fits(cluster, workflow, site, code):
                verdict = SKIPPED
            took = None if milliseconds is None else int(milliseconds)
            yield Group(cluster, workflow, site, status, code, verdict, n, ended, took)


def fits(cluster: str, workflow: str, site: str, code: str) -> bool:
    """Are the names of a run such as a task can have?"""
    return bool(workflow) and max(map(len, (cluster, workflow, site))) <= 256 and len(code) <= 64


def _rejected(db: duckdb.DuckDBPyConnection) -> int:
    """Lines that had more or fewer cells than the first, or were no UTF-8."""
    known = db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'")
    if known.fetchone() is None:
        return 0
    row = db.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()
    return int(row[0]) if row else 0


def lines(cells: int, quote: str) -> str:
    """SQL for a file of lines with so many cells, named c0 and on; what does not fit is rejected.

    Its values are the path and the delimiter. Nothing is guessed from what the file says.
    """
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(cells))
    return (
        f"read_csv(?, delim=?, quote='{quote}', escape='{quote}', header=true, auto_detect=false,"
        f" columns={{{columns}}}, ignore_errors=true, store_rejects=true)"
    )


def first_line(path: Path) -> str:
    """The first line of a text file, of 64 KiB at most."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return file.readline(2**16).rstrip("\r\n")


def literal(path: Path) -> str:
    """A path that means itself where DuckDB would look for a pattern."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path.absolute()))


def seconds(column: str) -> str:
    """SQL for a time, written as seconds since the epoch or as ISO 8601, in seconds."""
    text = f"CAST({column} AS VARCHAR)"
    return f"coalesce(try_cast({text} AS DOUBLE), epoch(try_cast({text} AS TIMESTAMPTZ)))"
