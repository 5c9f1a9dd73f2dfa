"""What ``condor_history -json`` prints of its jobs, as rows for :mod:`.bulk`.

Attributes are those of the manual's appendix "Job ClassAd Attributes". Users write into their ads,
so a value of another type than HTCondor's own is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import duckdb

from ....jobs.exits import htcondor_exit
from . import bulk
from .bulk import Ending, Limits, Source
from .job_records import Counted, verdict

WORKFLOW_FROM = ("DAGManJobId", "JobBatchName", "ClusterId")
SITE_FROM = ("MATCH_GLIDEIN_Site", "RemoteHost", "LastRemoteHost")
_HOSTS = frozenset({"RemoteHost", "LastRemoteHost"})
_HELD = 5
_ENDED = (3, 4, _HELD)  # JobStatus: removed, completed, held
_READ = (
    "ClusterId",
    "ProcId",
    "Owner",
    "GlobalJobId",
    "JobStatus",
    "ExitCode",
    "ExitSignal",
    "ExitBySignal",
    "HoldReasonCode",
    "JobCurrentStartDate",
    "CompletionDate",
    "EnteredCurrentStatus",
)
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def read_condor_history(
    path: Path,
    cluster: str,
    *,
    workflow_from: Sequence[str] = WORKFLOW_FROM,
    site_from: Sequence[str] = SITE_FROM,
    limits: Limits | None = None,
) -> Counted:
    """The tasks of a JSON array of ads, workflows named ``owner/name`` as the brain does.

    HistoryError where it is no such file; ValueError for what is no attribute's name.
    """
    for name in (*workflow_from, *site_from):
        if not _ATTRIBUTE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an attribute")
    make = partial(_source, cluster=cluster, workflow_from=workflow_from, site_from=site_from)
    return bulk.read_file(path, make, limits)


def _source(
    db: duckdb.DuckDBPyConnection,
    path: Path,
    cluster: str,
    workflow_from: Sequence[str],
    site_from: Sequence[str],
) -> Source:
    attributes = dict.fromkeys((*_READ, *workflow_from, *site_from))
    columns = ", ".join(f"\"{name}\": 'JSON'" for name in attributes)
    return Source(
        _rows(columns, workflow_from, site_from), [cluster, bulk.literal(path), *_ENDED], _read
    )


def _rows(columns: str, workflow_from: Sequence[str], site_from: Sequence[str]) -> str:
    names = ", ".join(_name(name) for name in workflow_from)
    sites = ", ".join(_site(name) for name in site_from)
    by_signal = "coalesce(ExitBySignal->>'$' = 'true', false)"
    is_ad = f"{_text('Owner')} IS NOT NULL AND {_whole('ClusterId')} IS NOT NULL"
    completed = f"nullif({_number('CompletionDate')}, 0)"
    return f"""
        SELECT ? AS cluster,
            CASE WHEN {is_ad} THEN {_text("Owner")} || '/' || coalesce({names}) END AS workflow,
            coalesce({sites}, '') AS site, NULL AS status,
            {_whole("JobStatus")} AS word,
            CASE WHEN NOT {by_signal} THEN {_whole("ExitCode")} END AS code,
            CASE WHEN {by_signal} THEN {_whole("ExitSignal")} END AS signal,
            {_whole("HoldReasonCode")} AS hold,
            nullif({_number("JobCurrentStartDate")}, 0) AS started,
            coalesce({completed}, {_number("EnteredCurrentStatus")}) AS ended
        FROM read_json(?, format='auto', columns={{{columns}}})
        WHERE try_cast({_whole("JobStatus")} AS INTEGER) IN (?, ?, ?)
    """


def _text(name: str) -> str:
    """SQL for a string that is not empty."""
    return f"CASE WHEN json_type(\"{name}\") = 'VARCHAR' THEN nullif(\"{name}\"->>'$', '') END"


def _whole(name: str) -> str:
    """SQL for a whole number, as text."""
    return f"CASE WHEN json_type(\"{name}\") IN ('BIGINT', 'UBIGINT') THEN \"{name}\"->>'$' END"


def _number(name: str) -> str:
    types = "('BIGINT', 'UBIGINT', 'DOUBLE')"
    return f'CASE WHEN json_type("{name}") IN {types} THEN CAST("{name}"->>\'$\' AS DOUBLE) END'


def _name(name: str) -> str:
    """SQL for the name of a workflow; a number, such as ClusterId, is one of its schedd's."""
    schedd = f"split_part({_text('GlobalJobId')}, '#', 1)"
    return f"{_text(name)}, {_whole(name)} || '@' || coalesce({schedd}, '')"


def _site(name: str) -> str:
    """SQL for the name of a site; of a slot the machine."""
    text = _text(name)
    return f"regexp_replace({text}, '^.*@', '')" if name in _HOSTS else text


def _read(ending: Ending) -> tuple[str, str]:
    status, code, signal, hold = (_number_of(word) for word in ending)
    held = hold if status == _HELD else None
    exit = htcondor_exit(status or 0, code, signal, held)
    return exit.key, verdict(exit)


def _number_of(word: str | None) -> int | None:
    return int(word) if word is not None and _WHOLE.fullmatch(word) else None
