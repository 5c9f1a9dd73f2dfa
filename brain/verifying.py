"""What came of applied actions: the runs that followed, followed to their end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ..jobs.actions import ActionKind, Outcome, Recommendation, State
from ..jobs.events import EventKind
from ..jobs.identity import Run, Workflow
from ..jobs.records import RunRecord
from . import recommendations, runs, workflows
from .config import AdviceConfig
from .store import Store

# Done by being decided.
_DECISIONS = frozenset({ActionKind.BYPASS, ActionKind.FORCE_COMPLETE})


def verify(store: Store, config: AdviceConfig, now: float) -> list[Recommendation]:
    """Move every applied recommendation whose outcome is known; return those."""
    settled = now - config.settle_seconds
    with store.read() as db:
        applied = recommendations.in_state(db, State.APPLIED)
    moved = []
    for recommendation in applied:
        with store.write() as db:
            records = _known(db, recommendation)
            waited = now - recommendations.moved_at(db, recommendation.id)
            patient = waited < config.site_window_seconds
            outcome = judge(recommendation, records, settled=settled, patient=patient)
            if outcome is not None:
                moved.append(
                    recommendations.move(
                        db,
                        recommendation,
                        State.VERIFIED,
                        now=now,
                        who="brain",
                        detail=outcome.value,
                        outcome=outcome,
                    )
                )
                workflows.mark_changed(db, recommendation.workflow, now)
    return moved


def judge_again(db: sqlite3.Connection, workflow: Workflow, now: float) -> None:
    """Correct what was verified by ends that accounting has corrected since.

    The runs that had ended when it was verified are judged; what came later is another story.
    """
    for recommendation in recommendations.of_workflow(db, workflow, State.VERIFIED):
        then = recommendations.moved_at(db, recommendation.id)
        records = _known(db, recommendation)
        known = [record for record in records if record.ended is not None and record.ended <= then]
        outcome = judge(recommendation, known, settled=then, patient=False)
        if outcome is not None and outcome is not recommendation.outcome:
            recommendations.correct(db, recommendation, outcome, now)


def _known(db: sqlite3.Connection, recommendation: Recommendation) -> list[RunRecord]:
    """The runs of its workflow, and those of others that its follow-ups turned out to be in."""
    records = {record.run: record for record in runs.of_workflow(db, recommendation.workflow)}
    for run in recommendation.follow_ups:
        elsewhere = None if run in records else runs.load(db, run)
        if elsewhere is not None:
            records[run] = elsewhere
            name = elsewhere.facts.workflow
            others = runs.of_workflow(db, Workflow(run.cluster, name)) if name else []
            records.update((record.run, record) for record in others)
    return list(records.values())


def judge(
    recommendation: Recommendation,
    records: Sequence[RunRecord],
    *,
    settled: float,
    patient: bool,
) -> Outcome | None:
    """The outcome as far as the workflow's runs tell; None while it is open.

    Runs that the action brought about are judged when they have ended before ``settled`` (epoch
    seconds), so that accounting has had its word. Where it brought about none that are known, as
    with a wait for a better site, all last runs of the workflow are judged, and while there is
    patience a failure is not yet final: something may still be run again. A wait for runs that
    were active is over when they have ended, or stall.
    """
    kind = recommendation.advice.action.kind
    if kind in _DECISIONS:
        return Outcome.SUCCESS
    if kind.stops:
        meant = _of(recommendation, records)
        if kind is ActionKind.KILL:  # of a job that is held, an execution yet to come is removed
            meant = _ends(recommendation.advice.runs, records) or []
        stopped = all(is_stopped(record, kind) for record in meant)
        return Outcome.SUCCESS if meant and stopped else None
    if recommendation.follow_ups:
        return _outcome(_ends(recommendation.follow_ups, records), settled)
    if kind is ActionKind.WAIT and (watched := _active_then(recommendation, records)):
        stalled = any(EventKind.STALL in record.warnings for record in watched)
        return Outcome.FAILURE if stalled else _outcome(watched, settled)
    outcome = _outcome(workflows.last_runs(records), settled)
    return None if patient and outcome is Outcome.FAILURE else outcome


def is_stopped(record: RunRecord, kind: ActionKind) -> bool:
    """Is done what a kill or hold wants of a run? A kill also wants its job out of the queue."""
    return record.exit is not None and not (kind is ActionKind.KILL and record.in_queue)


def _of(recommendation: Recommendation, records: Sequence[RunRecord]) -> list[RunRecord]:
    meant = set(recommendation.advice.runs)
    return [record for record in records if record.run in meant]


def _active_then(recommendation: Recommendation, records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs it is about that had not ended when it was proposed."""
    return [
        record
        for record in _of(recommendation, records)
        if record.ended is None or record.ended > recommendation.created
    ]


def _ends(follow_ups: Sequence[Run], records: Sequence[RunRecord]) -> list[RunRecord] | None:
    """The last runs of each piece; None while one of them is not known to the brain yet."""
    known = {record.run: record for record in records}
    following = workflows.successors(records)
    ends: list[RunRecord] = []
    for run in follow_ups:
        found = workflows.ends_of(run, known, following)
        if not found:
            return None
        ends.extend(found)
    return ends


def _outcome(records: Sequence[RunRecord] | None, settled: float) -> Outcome | None:
    if not records or any(record.exit is None for record in records):
        return None
    if any(record.ended is not None and record.ended > settled for record in records):
        return None
    good = all(record.succeeded for record in records)
    return Outcome.SUCCESS if good else Outcome.FAILURE
