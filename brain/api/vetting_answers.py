"""What the API answers about quarantine, as the brain writes it and its client reads it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ...jobs.identity import Run
from ...jobs.records import RunRecord
from .. import quarantine, runs
from ..evidence import Evidence
from ..quarantined import Item, Word

JOBS = 20  # runs that are told with an item


@dataclass(frozen=True)
class VettingList:
    """Items in quarantine, the newest first."""

    items: list[Item]


@dataclass(frozen=True)
class VettingDetail:
    """All that a person needs to judge an item: evidence, the runs that it is of, and what was
    said of it, oldest first.
    """

    item: Item
    evidence: Evidence
    jobs: list[RunRecord]
    words: list[Word]


def detail(db: sqlite3.Connection, subject: str, key: str) -> VettingDetail:
    """Read it all; UnknownItem if there is no such item."""
    evidence = quarantine.evidence_on(db, subject, key)
    return VettingDetail(
        quarantine.get(db, subject, key),
        evidence,
        jobs_of(db, evidence),
        quarantine.words_on(db, subject, key),
    )


def jobs_of(db: sqlite3.Connection, evidence: Evidence) -> list[RunRecord]:
    """The runs that the brain knows of those that an item shows, at most twenty; of a workflow
    those that changed last.
    """
    if evidence.workflow:
        cluster, _, name = evidence.workflow.partition("/")
        found = runs.newest(db, JOBS, name)
        return [record for record in found if record.run.cluster == cluster]
    known = (_load(db, key) for key in evidence.runs[:JOBS])
    return [record for record in known if record is not None]


def _load(db: sqlite3.Connection, key: str) -> RunRecord | None:
    try:
        return runs.load(db, Run.from_key(key))
    except ValueError:  # an owner that no scheduler names so
        return None
