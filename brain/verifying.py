"""What came of applied actions: the runs that followed, followed to their end."""

from __future__ import annotations

from collections.abc import Sequence

from ..jobs.actions import ActionKind, Outcome, Recommendation, State
from ..jobs.events import EventKind
from ..jobs.identity import Run
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
            records = runs.of_workflow(db, recommendation.workflow)
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
        stopped = not any(record.exit is None for record in _of(recommendation, records))
        return Outcome.SUCCESS if stopped else None
    if recommendation.follow_ups:
        return _outcome(_ends(recommendation.follow_ups, records), settled)
    if kind is ActionKind.WAIT and (watched := _active_then(recommendation, records)):
        stalled = any(EventKind.STALL in record.warnings for record in watched)
        return Outcome.FAILURE if stalled else _outcome(watched, settled)
    outcome = _outcome(workflows.last_runs(records), settled)
    return None if patient and outcome is Outcome.FAILURE else outcome


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
