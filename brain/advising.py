"""From a workflow's facts to at most one open recommendation."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..jobs.actions import Recommendation, State
from ..jobs.identity import SiteStatus, Workflow
from ..jobs.records import RunRecord, WorkflowRecord
from ..jobs.windows import TraceWindow
from . import recommendations, runs, sites, windows, workflows
from .config import AdviceConfig
from .store import Store

if TYPE_CHECKING:
    from ..classifier.advice import Models
    from ..classifier.traces.model import TraceModel

log = logging.getLogger(__name__)

WINDOWS_SCORED = 32  # the newest of each failed or warned run, on all its nodes
EXPLAINED = 0.05  # p-values up to here
Refused = Callable[[int], None]


def _nobody(_windows: int) -> None:
    """Is told how many windows were refused."""


def judge(
    store: Store,
    workflow: Workflow,
    models: Models,
    config: AdviceConfig,
    now: float,
    refused: Refused = _nobody,
) -> Recommendation | None:
    """Judge a workflow; the new recommendation, or None where there is nothing new to say.

    A proposal whose facts have changed expires. While one is approved or applied nothing is said:
    its outcome comes first, and the workflow stays due. ``refused`` is told of windows that the
    trace model does not read.
    """
    from ..classifier.advice import advise

    with store.read() as db:
        last = recommendations.last_of(db, workflow)
        if last and last[0].state in (State.APPROVED, State.APPLIED):
            return None
        changed = workflows.changed_at(db, workflow)
        record = build_record(db, workflow, models.traces, config, now, refused)
    facts = digest(record)
    if last and last[1] == facts:
        advice, known = None, True
    else:
        advice, known = advise(record, models), False
    with store.write() as db:
        workflows.mark_judged(db, workflow, changed)
        if known or recommendations.last_of(db, workflow) != last:
            return None  # said already, or decided since it was looked at
        _expire(db, last, now)
        if advice is None:
            return None
        return recommendations.propose(db, workflow, advice, facts, now, models.digests)


def _expire(db: sqlite3.Connection, last: tuple[Recommendation, str] | None, now: float) -> None:
    if last and last[0].state is State.PROPOSED:
        recommendations.move(
            db, last[0], State.EXPIRED, now=now, who="brain", detail="the facts have changed"
        )


def build_record(
    db: sqlite3.Connection,
    workflow: Workflow,
    model: TraceModel | None,
    config: AdviceConfig,
    now: float,
    refused: Refused = _nobody,
) -> WorkflowRecord:
    """The workflow as the classifier wants it: last runs, site status then, anomaly, history."""
    last = workflows.last_runs(runs.of_workflow(db, workflow))
    known = sites.with_status(db, last, now, config.site_window_seconds)
    return WorkflowRecord(
        workflow=workflow,
        runs=tuple(_scored(db, record, model, refused) for record in known),
        tried=recommendations.tried(db, workflow),
    )


def _scored(
    db: sqlite3.Connection, record: RunRecord, model: TraceModel | None, refused: Refused
) -> RunRecord:
    """The record with its anomaly, where it ails and there is something to score."""
    ails = record.failed or (record.exit is None and record.warnings)
    p, words = None, ""
    if ails and model is not None:
        p, words = _anomaly(db, record, model, refused)
    return dataclasses.replace(record, anomaly_p=p, anomaly_words=words)


def _anomaly(
    db: sqlite3.Connection, record: RunRecord, model: TraceModel, refused: Refused
) -> tuple[float | None, str]:
    """How odd the run is on its oddest node, by its newest windows, and why that is said.

    None without a usable window.
    """
    key = record.run.key
    read = _readable(windows.of_run(db, record.run, WINDOWS_SCORED), model, refused)
    cells = [cell for cell in model.judge(read, {key: record.facts.workflow}) if cell.run == key]
    if not cells:
        return None, ""
    oddest = min(cells, key=lambda cell: cell.p)
    words = oddest.reference.words(model.calibration_.criterion)
    there = next(window for window in read if window.node == oddest.node)
    why = ""
    if oddest.p <= EXPLAINED:
        why = model.explain_run(there, key).words(there.step_seconds)
    return oddest.p, f"{words}; {why}" if why else words


def _readable(
    found: Sequence[TraceWindow], model: TraceModel, refused: Refused
) -> list[TraceWindow]:
    """The windows of the features and the length that the model was trained on."""
    read, why = [], ""
    for window in found:
        try:
            model.check(window)
        except ValueError as error:
            why = str(error)
            continue
        read.append(window)
    if why:
        log.info("%d of %d windows are not scored: %s", len(found) - len(read), len(found), why)
        refused(len(found) - len(read))
    return read


def digest(record: WorkflowRecord) -> str:
    """What the advice rests on, as a short digest: same digest, same advice."""
    facts = [
        [
            run.run.key,
            None if run.exit is None else [run.exit.kind.value, run.exit.key],
            [warning.value for warning in run.warnings],
            *(["bad site"] if run.failed and run.site_status is SiteStatus.BAD else []),
        ]
        for run in sorted(record.runs, key=lambda run: run.run.key)
    ]
    tried: Sequence[object] = [[cause, kind.value] for cause, kind in record.tried]
    return hashlib.sha256(json.dumps([facts, tried]).encode()).hexdigest()[:16]
