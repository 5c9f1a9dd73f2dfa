"""A store of a brain that has something to tell of everything, written through its own modules."""

from __future__ import annotations

import time
from pathlib import Path

from jobmend.brain import drifts, ingest, outages, quarantine, recommendations
from jobmend.brain.evidence import Evidence
from jobmend.brain.learning import turns
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.models import champions
from jobmend.brain.quarantined import Item
from jobmend.brain.store import Store
from jobmend.classifier.drift import Drift
from jobmend.jobs.actions import Action, ActionKind, Advice, State
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import Exit, posix_exit
from jobmend.jobs.identity import Run, Workflow
from jobmend.plugins.scheduler import Nodes, Outage
from tests.brain.dashboards.moving import ENDS, STAYS

SUBJECTS = ("traces", "failures")


def fill(path: Path) -> None:
    """Make the store."""
    store, now = Store(path), time.time()
    try:
        _runs(store, now)
        _recommendations(store, now)
        _sites(store, now)
        for subject in SUBJECTS:
            _learning(store, subject, now)
    finally:
        store.close()


def run_of(job: str) -> Run:
    return Run("c1", "slurm", job, "0")


def _runs(store: Store, now: float) -> None:
    """Two that are active, one that failed, and one after it that went well."""

    def event(kind: EventKind, job: str, when: float, exit: Exit | None = None) -> JobEvent:
        return JobEvent(kind, run_of(job), when, "", JobFacts(workflow="w1", site="s1"), exit)

    told = [event(EventKind.START, job, now - 600) for job in (STAYS, ENDS)]
    for job, code in (("401", 3), ("402", 0)):
        told.append(event(EventKind.START, job, now - 7200))
        told.append(event(EventKind.OUTCOME, job, now - 600, posix_exit(code, None)))
    receipt = ingest.take_events(store, told, now=now, max_windows=10)
    assert not receipt.rejected


def _recommendations(store: Store, now: float) -> None:
    """One that brought a run about, and one that waits."""

    def advice(job: str) -> Advice:
        action = Action(ActionKind.RESUBMIT)
        return Advice("bug", action, (run_of(job),), {ActionKind.RESUBMIT: 1.0}, ())

    with store.write() as db:
        done = recommendations.propose(db, Workflow("c1", "w1"), advice("401"), "", now)
        recommendations.move(db, done, State.APPROVED, now=now, who="ada")
        recommendations.add_follow_ups(db, done.id, (run_of("402"),))
        recommendations.move(db, done, State.APPLIED, now=now, who="brain")
        recommendations.propose(db, Workflow("c1", "w2"), advice("401"), "", now)


def _sites(store: Store, now: float) -> None:
    """A site with one of its two nodes out, as Slurm says; the brain finds it bad at its round."""
    told = Nodes({"s1": ("n1", "n2")}, (Outage("n2", now - 3600, None, "DOWN"),))
    with store.write() as db:
        outages.keep(db, ("c1", "slurm"), told, now)


def _learning(store: Store, subject: str, now: float) -> None:
    """A turn that promoted, one after it with a challenger in shadow, and one that failed."""
    with store.write() as db:
        for days, state in enumerate((TurnState.FAILED, TurnState.SHADOW, TurnState.PROMOTED)):
            turn, begun = f"{subject}-{days}", now - 86400.0 * days - 60
            turns.begin(db, TurnRecord(turn, subject, begun, None, TurnState.RUNNING))
            for step in ("gather", "vet", "split", "train/pca", "evaluate", "compare"):
                turns.note_step(db, turn, step, begun, 1.5, {})
            losses = {"champion": 0.12, "challenger": 0.1}
            told = {"losses": losses, "odd_share": 0.02, "suspect_share": 0.05}
            body = {} if state is TurnState.FAILED else told
            turns.end(db, turn, state, begun + 30, body)
        champions.add(
            db,
            subject,
            digest="d1",
            turn=f"{subject}-2",
            now=now - 2 * 86400,
            why="first",
            body={"arm": "pca", "band": (0.05, 0.2), "registry": {"version": "3"}},
        )
        drifts.keep(db, f"{subject}-1", [Drift("user", 0.4, 0.3, 1e-9), Drift("nice", 0, 0, 1)])
        item = Item(subject, "k1", f"{subject}-1", now - 90000, now - 86400, "w9", 0.001, "new")
        quarantine.add(db, item, Evidence())
