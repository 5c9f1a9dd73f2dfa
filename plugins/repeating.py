"""Which runs an action that repeats work means: the same on every scheduler that queues jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..jobs.actions import ActionKind
from ..jobs.records import RunRecord
from .scheduler import Refused


def latest(records: Iterable[RunRecord], job: Callable[[RunRecord], str]) -> list[RunRecord]:
    """The last run of each job; ``job`` names the job that a run is of."""
    last: dict[str, RunRecord] = {}
    for record in sorted(records, key=lambda record: record.facts.attempt):
        last[job(record)] = record
    return list(last.values())


def to_repeat(kind: ActionKind, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Those of the last runs that a recover, resubmit or clone repeats; Refused where none may be.

    A run that hangs is resubmitted too; one that waits is not.
    """
    if kind is ActionKind.RECOVER:
        return [record for record in runs if record.failed]
    if kind is ActionKind.RESUBMIT:
        return [r for r in runs if not r.succeeded and (r.exit is not None or is_running(r))]
    active = sum(record.exit is None for record in runs)
    if active:
        raise Refused(f"{active} runs have not ended: kill them or wait, then clone")
    return list(runs)


def is_running(record: RunRecord) -> bool:
    """Has it begun and not ended?"""
    return record.exit is None and record.started is not None
