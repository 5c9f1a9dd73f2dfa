"""Told at least once, taken exactly once; what cannot be read is named and leaves no trace."""

from __future__ import annotations

import itertools
import sqlite3
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from jobmend.brain import audit, ingest, runs, windows
from jobmend.brain.brain import Brain
from jobmend.brain.ingest import Receipt
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.windows import TraceWindow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, TIMEOUT, documents, ended, run_of, told


def rows(brain: Brain, table: str) -> list[tuple[Any, ...]]:
    with brain.store.read() as db:
        return [tuple(row) for row in db.execute(f"SELECT * FROM {table}")]


def window_of(*owners: str | None, start: float = NOW) -> TraceWindow:
    values = array("f", [0.5] * (len(owners) * 4 * 2))
    threads = tuple(range(len(owners)))
    return TraceWindow("n1", start, 1.0, threads, owners, values, ("user", "system"))


def test_the_same_batch_twice_and_interleaved_is_the_same_batch(brain: Brain, tell: Tell) -> None:
    first, second = ended(1, BUG), ended(2, OK)
    assert tell(*first) == Receipt(2, 0)
    assert tell(first[0], second[0], first[1], second[1]) == Receipt(2, 2)
    before = rows(brain, "events"), rows(brain, "runs")
    assert tell(*second, *first) == Receipt(0, 4)
    assert (rows(brain, "events"), rows(brain, "runs")) == before
    assert len(before[0]) == 4


def test_one_unreadable_message_does_not_cost_the_others(brain: Brain) -> None:
    good = documents(*ended(1, OK))
    unreadable: list[object] = [{"jobmend": 2, "kind": "event", "body": {}}, [], None, {}]
    for bad in unreadable:
        receipt = ingest.take_documents(
            brain.store, [good[0], bad, good[1]], now=NOW, max_windows=9
        )
        assert [rejection.index for rejection in receipt.rejected] == [1]
    assert len(rows(brain, "events")) == 2


def changed(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            document = document[parent]
        if value is ...:
            del document[name]
        else:
            document[name] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("jobmend", 9, "message.jobmend: version 9"),
        ("kind", "gossip", "'gossip' is none of event, window"),
        ("body.run.job_id", ..., "event.run.job_id: missing"),
        ("body.run.run", "a/b", "event.run.run: empty, or holds a slash"),
        ("body.time", "noon", "event.time: a string, a number is wanted"),
        ("body.time", float("nan"), "event.time: not finite"),
        ("body.time", 10**400, "event.time: not finite"),
        ("body.facts.name", "x" * 10_000_000, "message: 10000"),
        ("body.facts.name", "x" * 1000, "event.facts.name: longer than 256"),
        ("body.exit.code", 1.5, "event.exit.code: a number, a whole number is wanted"),
        ("body.exit.kind", "sad", "event.exit.kind: 'sad' is none of"),
    ],
)
def test_what_is_wrong_is_named(brain: Brain, path: str, value: object, words: str) -> None:
    (document,) = documents(told("outcome", 1, exit=BUG, name="n"))
    changed(path, value)(document)
    receipt = ingest.take_documents(brain.store, [document], now=NOW, max_windows=9)
    assert receipt.accepted == 0
    assert words in receipt.rejected[0].error
    assert rows(brain, "events") == rows(brain, "runs") == rows(brain, "audit") == []


def test_half_a_surrogate_pair_costs_a_character_and_not_the_event(brain: Brain) -> None:
    (document,) = documents(told("start", 1, name="n"))
    changed("body.facts.name", "a\udc80b")(document)
    assert ingest.take_documents(brain.store, [document], now=NOW, max_windows=9).accepted == 1
    with brain.store.read() as db:
        record = runs.load(db, run_of(1))
    assert record is not None and record.facts.name == "a?b"


def test_a_failure_in_the_middle_leaves_nothing(
    brain: Brain, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count()
    save = runs.save

    def full_disk(*arguments: Any, **named: Any) -> None:
        if next(calls) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        save(*arguments, **named)

    monkeypatch.setattr(runs, "save", full_disk)
    with pytest.raises(sqlite3.OperationalError):
        tell(*ended(1, OK))
    assert rows(brain, "events") == rows(brain, "runs") == []
    assert tell(*ended(1, OK)) == Receipt(2, 0)


def test_late_accounting_corrects_the_run_and_is_audited_once(brain: Brain, tell: Tell) -> None:
    tell(told("start", 1), told("end", 1, node="n1", exit=OK))
    tell(told("outcome", 1, exit=TIMEOUT))
    tell(told("outcome", 1, exit=TIMEOUT))
    with brain.store.read() as db:
        record, entries = runs.load(db, run_of(1)), audit.newest(db, 10)
    assert record is not None and record.exit == TIMEOUT
    assert [(entry.what, entry.detail) for entry in entries] == [
        ("outcome corrected", "c1/memory/1/0: node n1 said success, accounting says timeout")
    ]


def test_a_correction_is_audited_when_accounting_was_the_first(brain: Brain, tell: Tell) -> None:
    tell(told("outcome", 1, exit=TIMEOUT))
    tell(told("end", 1, node="n1", exit=OK))
    assert [row[3] for row in rows(brain, "audit")] == ["outcome corrected"]


def test_the_audit_can_only_grow(brain: Brain) -> None:
    with brain.store.write() as db:
        audit.note(db, NOW, "me", "looked")
    for statement in ("DELETE FROM audit", "UPDATE audit SET who = 'you'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), brain.store.write() as db:
            db.execute(statement)


def test_windows_are_bounded_and_found_by_run(brain: Brain, tell: Tell) -> None:
    good, bad = run_of(1).key, run_of(2).key
    tell(*ended(1, OK), *ended(2, BUG))
    first = window_of(good, None)
    assert tell(first, window_of(good, bad, start=NOW + 1), first) == Receipt(2, 1)
    with brain.store.read() as db:
        assert [window.start for window in windows.of_run(db, run_of(1), 5)] == [NOW + 1, NOW]
    tell(*(window_of(good, start=NOW + 10 + n) for n in range(12)))
    with brain.store.read() as db:
        kept = windows.of_run(db, run_of(1), 99)
        assert db.execute("SELECT count(*) FROM window_owners").fetchone()[0] == 10
    assert [window.start for window in kept] == [NOW + 21 - n for n in range(10)]


def test_a_hook_that_speaks_late_is_heard(brain: Brain) -> None:
    unheard = Exit("slurm", ExitKind.UNKNOWN, reason="no end hook spoke")
    for exit, accepted, known in ((unheard, 1, unheard), (BUG, 1, BUG), (OK, 0, BUG)):
        end = documents(told("end", 1, node="n1", exit=exit))
        receipt = ingest.take_documents(brain.store, end, now=NOW, max_windows=9)
        assert receipt.accepted == accepted
        with brain.store.read() as db:
            record = runs.load(db, run_of(1))
        assert record is not None and record.exit == known
