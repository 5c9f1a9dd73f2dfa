"""Gauges of the learning loop for Prometheus, read from the store at each scrape."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily

from .. import drifts, quarantine
from ..learning import turns
from ..models import champions
from ..models.shelf import FAILURES, TRACES
from ..quarantined import Vetting

SUBJECTS = (TRACES, FAILURES)
Rows = Iterable[tuple[Sequence[str], float | None]]


def families(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    """All of them, as they are now; a family without a series is there too."""
    yield from _of_turns(db)
    yield from _of_steps(db)
    yield from _of_champions(db)
    yield from _of_drift(db)
    yield from _of_strangeness(db)
    yield from _of_quarantine(db)


def _of_turns(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    counted = turns.counts(db)
    yield _family(
        "last_turn_timestamp_seconds",
        "When the newest turn that ended in a state did so, epoch.",
        ["subject", "state"],
        (((one.subject, one.state), one.ended) for one in counted),
    )
    yield _family(
        "turns",
        "Turns of learning by how they ended, or running.",
        ["subject", "state"],
        (((one.subject, one.state), float(one.turns)) for one in counted),
    )


def _of_steps(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    yield _family(
        "turn_step_seconds",
        "How long the steps of the newest ended turn took.",
        ["subject", "step"],
        (
            ((subject, step), seconds)
            for subject in SUBJECTS
            if (last := turns.last_ended(db, subject)) is not None
            for step, seconds in turns.steps(db, last.id).items()
        ),
    )
    yield _family(
        "loss",
        "Mean loss on what was told last, of the champion and of the best challenger.",
        ["subject", "model"],
        (
            ((subject, model), loss)
            for subject in SUBJECTS
            for model, loss in _losses(db, subject).items()
        ),
    )


def _of_champions(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    found = [one for subject in SUBJECTS if (one := champions.newest(db, subject)) is not None]
    yield _family(
        "champion_info",
        "The model in use: its arm, its number, and its version in MLflow where it has one.",
        ["subject", "arm", "number", "version"],
        (((one.subject, one.arm, str(one.number), one.version), 1.0) for one in found),
    )
    yield _family(
        "champion_promoted_timestamp_seconds",
        "When the model in use became champion, epoch.",
        ["subject"],
        (((one.subject,), one.promoted) for one in found),
    )
    yield _family(
        "loss_band",
        "Where the champion's mean loss is expected, as its promotion said.",
        ["subject", "edge"],
        (
            ((one.subject, edge), value)
            for one in found
            for edge, value in zip(("low", "high"), one.body.get("band") or (), strict=False)
        ),
    )


def _of_drift(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    found = {subject: drifts.newest(db, subject) for subject in SUBJECTS}
    yield _family(
        "drift_psi_max",
        "Largest population stability index of a feature in the newest turn that tested any.",
        ["subject"],
        (
            ((subject,), max(known))
            for subject, rows in found.items()
            if (known := [one.psi for one in rows if not math.isnan(one.psi)])
        ),
    )
    yield _family(
        "drifted_features",
        "Features that drifted, in that turn.",
        ["subject"],
        (((subject,), float(sum(one.drifted for one in rows))) for subject, rows in found.items()),
    )


def _of_strangeness(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    found = {subject: turns.last_vetted(db, subject) for subject in SUBJECTS}
    signs = {"odd": "odd_share", "suspect": "suspect_share"}
    yield _family(
        "period_share",
        "Share of the newest period that was vetted: odd examples, suspect runs or workflows.",
        ["subject", "sign"],
        (
            ((subject, sign), turn.body[name])
            for subject, turn in found.items()
            if turn is not None
            for sign, name in signs.items()
        ),
    )


def _of_quarantine(db: sqlite3.Connection) -> Iterable[GaugeMetricFamily]:
    numbers = quarantine.counts(db)
    yield _family(
        "quarantined",
        "Examples that were set apart, by what a person said of them, or waiting.",
        ["subject", "state"],
        (
            ((subject, state.value), float(numbers.get((subject, state.value), 0)))
            for subject in SUBJECTS
            for state in Vetting
        ),
    )
    yield _family(
        "quarantine_oldest_timestamp_seconds",
        "Since when the oldest example waits for a person, epoch.",
        ["subject"],
        (((subject,), _oldest(db, subject)) for subject in SUBJECTS),
    )


def _oldest(db: sqlite3.Connection, subject: str) -> float | None:
    return min((item.since for item in quarantine.waiting(db, subject)), default=None)


def _losses(db: sqlite3.Connection, subject: str) -> Mapping[str, float]:
    """Of the newest turn that compared models."""
    last = turns.last_compared(db, subject)
    return last.body["losses"] if last else {}


def _family(name: str, help: str, labels: Sequence[str], rows: Rows) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"jobmend_brain_learning_{name}", help, labels=labels)
    for values, number in rows:
        if number is not None and math.isfinite(number):
            family.add_metric(list(values), number)
    return family
