"""A simulated day into the brain's real store, by the functions that take what nodes tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ....jobs.actions import Action, Advice, Outcome, State
from ... import ingest, recommendations
from ...archiving import move
from ...sources.archive import Archive
from ...store import Store
from .cluster import TracedDay
from .failing import DecidedTask

WHO = "simulated operator"
_MAX_WINDOWS = 5000


def feed_traces(store: Store, archive: Archive, day: TracedDay, now: float) -> None:
    """Tell the runs and windows of a day, and archive them."""
    ingest.take(store, [*day.events, *day.windows], now=now, max_windows=_MAX_WINDOWS)
    while move(store, archive, now):
        pass


def feed_failures(store: Store, tasks: Iterable[DecidedTask]) -> None:
    """Tell the runs of failing tasks; each task is proposed, approved, and found to be mended."""
    known = list(tasks)
    events = [event for task in known for event in task.events]
    last = max((task.time for task in known), default=0.0)
    ingest.take(store, events, now=last, max_windows=_MAX_WINDOWS)
    with store.write() as db:
        for task in known:
            _decide(db, task)


def _decide(db: sqlite3.Connection, task: DecidedTask) -> None:
    advice = Advice(task.cause, Action(task.told), (), {task.told: 1.0}, ())
    new = recommendations.propose(db, task.workflow, advice, task.workflow.key, task.time)
    for state in (State.APPROVED, State.APPLIED):
        new = recommendations.move(db, new, state, now=task.time, who=WHO)
    recommendations.move(db, new, State.VERIFIED, now=task.time, who=WHO, outcome=Outcome.SUCCESS)
