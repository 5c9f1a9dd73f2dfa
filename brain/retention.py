"""What the store forgets, and when: in small transactions, a little of it in each round.

What is open is kept, whatever its age: runs that did not end, or whose job is in a queue; workflows
with an open recommendation, and the runs that it brought about. What was decided is written down
(:mod:`.decisions`) before its runs go. What persons said of examples is kept: models learn from it.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..jobs.actions import NEXT_STATES, Outcome
from ..jobs.identity import Run, Workflow
from . import decisions, recommendations, runs
from .evidence import Evidence, dumps
from .learning import turns
from .quarantined import PERIOD
from .store import Store

DAY = 86400.0
EVERY_SECONDS = 3600.0  # between two passes over all tables
ROUND_SECONDS = 2.0  # of a round: the next one goes on
PAUSE_SECONDS = 0.02  # between two transactions, in which others write
BATCH = 200  # rows, with what hangs on them, in one transaction
TASKS = 5  # that are written down at once: each reads all runs of its workflow
LOOKED_UP = 10_000  # keys that are in memory at once
PAGES = 500  # that are given back to the file system in one transaction
SPARE = 0.1  # share of the file that stays free for what comes next

Key = Mapping[str, object]  # the values by which a row is known
Forgotten = tuple[str, int]  # what, and how many of it; nothing is counted of ""

_OPEN = tuple(state for state, after in NEXT_STATES.items() if after)


@dataclass(frozen=True)
class Kept:
    """For how many days after its end all is kept, and for how many the audit is."""

    days: float
    audit_days: float


@dataclass(frozen=True)
class Rule:
    """What goes: ``find`` looks up the keys of what ended before a time (epoch seconds), and each
    of ``forget`` is a statement on one key, the last one on the row itself.
    """

    what: str
    find: Callable[[sqlite3.Connection, float], Iterator[Key]]
    forget: Sequence[str]


class Retention:
    """The store's part of the brain's round; ``forgotten`` is told what went, and how many."""

    def __init__(
        self,
        store: Store,
        kept: Kept,
        site_window_seconds: float,
        clock: Callable[[], float],
        forgotten: Callable[[str, int], None],
    ) -> None:
        """Nothing is removed yet; a pass is due."""
        self._store, self._kept = store, kept
        self._site_window_seconds = site_window_seconds
        self._clock, self._forgotten = clock, forgotten
        self._due = -math.inf
        self._left: Iterator[Forgotten] | None = None

    def round(self) -> None:
        """Begin the pass that is due, or go on with it: for ``ROUND_SECONDS`` at most."""
        now = self._clock()
        if self._left is None and now < self._due:
            return
        left, self._left = self._left or self._pass(now), None  # after an error it begins anew
        until = time.monotonic() + ROUND_SECONDS
        for what, number in left:
            if what:
                self._forgotten(what, number)
            if time.monotonic() >= until:
                self._left = left
                return
            time.sleep(PAUSE_SECONDS)
        self._due = now + EVERY_SECONDS

    def _pass(self, now: float) -> Iterator[Forgotten]:
        """All there is to do at ``now``, a transaction a step."""
        old = now - self._kept.days * DAY
        while decisions.write_down(self._store, self._site_window_seconds, now, TASKS):
            yield "", 0
        for rule in RULES:
            yield from self._follow(rule, old)
        with self._store.write() as db:  # what was read of the past is not all there any more
            db.execute("UPDATE backfills SET reached = ? WHERE reached < ?", (old, old))
        horizon = now - self._kept.audit_days * DAY
        with self._store.write() as db:
            db.execute("INSERT OR REPLACE INTO horizons VALUES ('audit', ?)", (horizon,))
        yield from self._follow(AUDIT, horizon)
        while self._store.give_back(SPARE, PAGES):
            yield "", 0

    def _follow(self, rule: Rule, before: float) -> Iterator[Forgotten]:
        """Look keys up, which keeps no writer away, then remove batch by batch."""
        gone = LOOKED_UP
        while gone:
            with self._store.read() as db:
                found = itertools.islice(rule.find(db, before), LOOKED_UP)
                keys = [dict(key) for key in found]
            gone = 0
            for start in range(0, len(keys), BATCH):
                with self._store.write() as db:
                    for statement in rule.forget:
                        done = db.executemany(statement, keys[start : start + BATCH])
                gone += done.rowcount
                yield rule.what, done.rowcount


# ---- what goes ---------------------------------------------------------------------------------


def _query(query: str, **values: object) -> Callable[[sqlite3.Connection, float], Iterator[Key]]:
    """The rows of a query about what ended before ``:old``."""
    return lambda db, old: db.execute(query, {"old": old, **values})


def _runs(db: sqlite3.Connection, old: float) -> Iterator[Key]:
    """Oldest first, so that no run is forgotten before the one that it repeats."""
    known, brought = _under_way(db)
    for record, changed in runs.ended_before(db, old):
        workflow = Workflow(record.run.cluster, record.facts.workflow)
        if workflow not in known and record.run not in brought:
            yield {"key": record.run.key, "changed": changed}


def _under_way(db: sqlite3.Connection) -> tuple[set[Workflow], set[Run]]:
    """The workflows that open recommendations are about, and the runs that these brought about,
    with the workflows in which those turned out to be.
    """
    known, brought = set[Workflow](), set[Run]()
    for one in (one for state in _OPEN for one in recommendations.in_state(db, state)):
        known.add(one.workflow)
        brought.update(one.follow_ups)
    for run in brought:
        record = runs.load(db, run)
        if record is not None and record.facts.workflow:
            known.add(Workflow(run.cluster, record.facts.workflow))
    return known, brought


def _turns(db: sqlite3.Connection, old: float) -> Iterator[Key]:
    """All but those in which the present champion, its rival and their figures stand."""
    needed = turns.needed(db)
    rows = db.execute("SELECT id FROM turns WHERE begun < ? AND ended IS NOT NULL", (old,))
    return ({"turn": row["id"]} for row in rows if row["id"] not in needed)


_NOBODY_SPOKE = (
    "SELECT q.subject, q.key FROM quarantine AS q LEFT JOIN quarantine AS period"
    " ON period.subject = q.subject AND period.key = :period || q.turn"
    " WHERE q.since < :old AND q.state = 'waiting'"
    " AND coalesce(period.state, 'waiting') = 'waiting'"
)

# In this order: what was advised goes before the runs that it was about.
RULES = (
    Rule(
        "recommendations",
        _query(
            "SELECT id, :failure AS failure FROM recommendations WHERE moved < :old AND"
            " (state IN ('rejected', 'expired', 'failed') OR state = 'verified'"
            "  AND id IN (SELECT recommendation FROM decided_tasks))",
            failure=Outcome.FAILURE.value,
        ),
        (
            "DELETE FROM decided_tasks WHERE recommendation = :id AND EXISTS"
            " (SELECT 1 FROM recommendations WHERE id = :id AND"
            "  (state != 'verified' OR json_extract(body, '$.outcome') = :failure))",
            "DELETE FROM steps WHERE recommendation = :id",
            "DELETE FROM recommendations WHERE id = :id",
        ),
    ),
    Rule(
        "runs",
        _runs,
        (
            "DELETE FROM events WHERE run = :key"
            " AND EXISTS (SELECT 1 FROM runs WHERE key = :key AND changed = :changed)",
            "DELETE FROM given_up WHERE run = :key"
            " AND EXISTS (SELECT 1 FROM runs WHERE key = :key AND changed = :changed)",
            "DELETE FROM runs WHERE key = :key AND changed = :changed",
        ),
    ),
    Rule(
        "workflows",
        _query(
            "SELECT cluster, name, changed FROM workflows AS w WHERE changed < :old"
            " AND NOT EXISTS"
            "  (SELECT 1 FROM runs WHERE cluster = w.cluster AND workflow = w.name)"
            " AND NOT EXISTS"
            "  (SELECT 1 FROM recommendations WHERE cluster = w.cluster AND workflow = w.name)"
        ),
        ("DELETE FROM workflows WHERE cluster = :cluster AND name = :name AND changed = :changed",),
    ),
    Rule(
        "outages",
        _query("SELECT cluster, scheduler, node, since FROM outages WHERE until < :old"),
        (
            "DELETE FROM outages WHERE cluster = :cluster AND scheduler = :scheduler"
            " AND node = :node AND since = :since",
        ),
    ),
    Rule(
        "site_spells",
        _query("SELECT cluster, site, since FROM site_spells WHERE until < :old"),
        ("DELETE FROM site_spells WHERE cluster = :cluster AND site = :site AND since = :since",),
    ),
    Rule(
        "quarantine",
        _query(_NOBODY_SPOKE, period=PERIOD),
        ("DELETE FROM quarantine WHERE subject = :subject AND key = :key AND state = 'waiting'",),
    ),
    Rule(
        "evidence",
        _query(
            "SELECT subject, key, :bare AS bare FROM quarantine"
            " WHERE since < :old AND body != :bare",
            bare=dumps(Evidence()),
        ),
        ("UPDATE quarantine SET body = :bare WHERE subject = :subject AND key = :key",),
    ),
    Rule(
        "turns",
        _turns,
        (
            "DELETE FROM turn_steps WHERE turn = :turn",
            "DELETE FROM drifts WHERE turn = :turn",
            "DELETE FROM turns WHERE id = :turn",
        ),
    ),
)

# Entries go in their order, whatever the clock did, and none of what is about a recommendation
# that is still there.
AUDIT = Rule(
    "audit",
    _query(
        "SELECT id FROM audit WHERE time < :old AND id < coalesce("
        "  (SELECT id FROM audit WHERE time >= :old ORDER BY id LIMIT 1), 9e18)"
        " AND (recommendation IS NULL OR recommendation NOT IN (SELECT id FROM recommendations))"
        " ORDER BY id"
    ),
    ("DELETE FROM audit WHERE id = :id",),
)
WHATS = tuple(rule.what for rule in (*RULES, AUDIT))
