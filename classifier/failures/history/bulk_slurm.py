"""What ``sacct`` prints of its jobs, as rows for :mod:`.bulk`.

Read is the output of ``sacct --parsable2 --allocations`` with a header, see sacct(1). Users choose
names and comments, and sacct prints them as they are: with a delimiter that nobody can guess no
name can make up a row of its own, and a line that is broken by one is skipped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import duckdb

from ....jobs.exits import Exit, ExitKind, slurm_exit
from . import bulk
from .bulk import Ending, Limits, Source
from .job_records import Counted, verdict

REQUIRED = ("JobIDRaw", "User", "Partition", "State", "ExitCode", "End")
WORKFLOW_FROM = ("comment", "wckey", "name")
MAX_DELIMITER = 4  # bytes, the longest that DuckDB reads
_SIGTERM = 15

# Jobs that have not ended; a resize is the same job going on.
_GOES_ON = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING")
_NAMES: Mapping[str, Callable[[str], str]] = {
    "comment": lambda column: column,
    "wckey": lambda column: f"ltrim({column}, '*')",  # "*": not asked for, the user's default
    "name": lambda column: column,
}
_FIELDS = {"comment": "Comment", "wckey": "WCKey", "name": "JobName"}


def read_sacct(
    path: Path,
    cluster: str,
    *,
    delimiter: str = "|",
    workflow_from: Sequence[str] = WORKFLOW_FROM,
    limits: Limits | None = None,
) -> Counted:
    """The tasks of sacct's output, workflows named ``user/name`` as the brain does.

    HistoryError where a column is missing; ValueError for a word or a delimiter of no use.
    """
    unknown = [word for word in workflow_from if word not in _FIELDS]
    if unknown or not workflow_from:
        raise ValueError(f"workflow_from: some of {', '.join(_FIELDS)} are wanted")
    if not 0 < len(delimiter.encode()) <= MAX_DELIMITER:
        raise ValueError(f"delimiter: 1 to {MAX_DELIMITER} bytes are wanted")
    make = partial(
        _source, cluster=cluster, delimiter=delimiter, workflow_from=tuple(workflow_from)
    )
    return bulk.read_file(path, make, limits)


def _source(
    db: duckdb.DuckDBPyConnection,
    path: Path,
    cluster: str,
    delimiter: str,
    workflow_from: Sequence[str],
) -> Source:
    header = [name.lower() for name in bulk.first_line(path).split(delimiter)]
    columns = {name: f"c{number}" for number, name in enumerate(header)}
    missing = [name for name in REQUIRED if name.lower() not in columns]
    if missing:
        raise ValueError(f"column {missing[0]} is missing; ask sacct for {','.join(REQUIRED)}")
    names = [
        f"nullif({_NAMES[word](columns[_FIELDS[word].lower()])}, '')"
        for word in workflow_from
        if _FIELDS[word].lower() in columns
    ]
    if not names:
        fields = ", ".join(_FIELDS[word] for word in workflow_from)
        raise ValueError(f"no column names the workflow; ask sacct for one of {fields}")
    table = bulk.lines(len(header), "")
    return Source(
        _rows(table, columns, names), [cluster, bulk.literal(path), delimiter, *_GOES_ON], _read
    )


def _rows(table: str, columns: Mapping[str, str], names: Sequence[str]) -> str:
    job, state = columns["jobidraw"], columns["state"]
    started = bulk.seconds(columns["start"]) if "start" in columns else "NULL::DOUBLE"
    return f"""
        SELECT ? AS cluster,
            CASE WHEN regexp_full_match({job}, '[0-9]+')
                THEN concat({columns["user"]}, '/', coalesce({", ".join(names)})) END AS workflow,
            {columns["partition"]} AS site, NULL AS status,
            split_part({state}, ' ', 1) AS word, {columns["exitcode"]} AS code,
            NULL AS signal, NULL AS hold,
            {started} AS started, {bulk.seconds(columns["end"])} AS ended
        FROM {table}
        WHERE NOT regexp_full_match({job}, '[0-9]+[.+].*')
            AND coalesce(split_part({state}, ' ', 1), '') NOT IN ({", ".join("?" * len(_GOES_ON))})
    """


def _read(ending: Ending) -> tuple[str, str]:
    exit = _exit(ending[0] or "", ending[1] or "")
    return exit.key, verdict(exit)


def _exit(state: str, exit_code: str) -> Exit:
    """How a job ended; of one that failed with a code nobody told, that it failed.

    A requeue overwrites the state of the run before it; 0:0 and 0:15 are then no end at all.
    """
    code, signal = (_whole(part) for part in exit_code.partition(":")[::2])
    if state == "FAILED" and code is None and not signal:
        return Exit("slurm", ExitKind.ERROR, None, None, state)
    if state == "REQUEUED" and not code and signal in (None, 0, _SIGTERM):
        return Exit("slurm", ExitKind.UNKNOWN, code, signal or None, state)
    return slurm_exit(state, code, signal)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
