"""Quarantine: who waits, what a person's word does, and how it is taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from jobmend.brain import quarantine
from jobmend.brain.evidence import Evidence, Neighbour, Reading
from jobmend.brain.quarantined import (
    Item,
    NoSuchMove,
    UnknownItem,
    Vetting,
    Wanted,
    Word,
    period_key,
    standing_words,
)
from jobmend.brain.store import Store

NORMAL, ANOMALY, IGNORED = Vetting.NORMAL, Vetting.ANOMALY, Vetting.IGNORED
WAITING = Vetting.WAITING


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "brain.db")
    yield store
    store.close()


def item(key: str, *, turn: str = "t1", subject: str = "traces", kind: str = "w1") -> Item:
    return Item(subject, key, turn, 100.0, 200.0, kind, 0.004, "unlike all that was learned")


def add(store: Store, *items: Item) -> list[bool]:
    with store.write() as db:
        return [quarantine.add(db, one, Evidence({"job": one.key})) for one in items]


def state_of(store: Store, key: str) -> tuple[str, str]:
    with store.read() as db:
        found = quarantine.get(db, "traces", key)
    return found.state.value, found.label


def test_what_is_set_apart_waits_once_with_its_evidence(store: Store) -> None:
    evidence = Evidence(
        facts={"job": "c1/w1"},
        runs=["c1/slurm/1/0"],
        readings=[Reading("user", float("nan"), 0.1, 0.2, 0.3)],
        neighbours=[Neighbour("k", "w1", 5.0, 1.5, "healthy")],
        step_seconds=1.0,
        curves={"user": [0.5, None]},
    )
    with store.write() as db:
        assert quarantine.add(db, item("a"), evidence)
        assert not quarantine.add(db, item("a", turn="t2"), Evidence())
    with store.read() as db:
        (found,) = quarantine.waiting(db, "traces")
        kept = quarantine.evidence_on(db, "traces", "a")
        assert (found.turn, found.p, found.examples, found.state) == ("t1", 0.004, 1, WAITING)
        assert kept.curves == {"user": [0.5, None]}
        assert kept.readings == [Reading("user", None, 0.1, 0.2, 0.3)]
        assert quarantine.waiting(db, "failures") == []
        assert quarantine.counts(db) == {("traces", "waiting"): 1}


def test_a_word_is_kept_with_its_author_and_taken_back(store: Store) -> None:
    add(store, item("a"))
    quarantine.decide(store, "traces", "a", ANOMALY, " hang\x1b ", "operator ann", 300.0)
    assert state_of(store, "a") == ("anomaly", "hang\ufffd")
    quarantine.decide(store, "traces", "a", NORMAL, "", "operator bob", 301.0)
    quarantine.decide(store, "traces", "a", NORMAL, "", "operator bob", 302.0)
    assert quarantine.undo(store, "traces", "a", "operator ann", 303.0).state is ANOMALY
    assert quarantine.undo(store, "traces", "a", "operator ann", 304.0).state is WAITING
    with pytest.raises(NoSuchMove, match="nobody has said anything"):
        quarantine.undo(store, "traces", "a", "operator ann", 305.0)
    with store.read() as db:
        words = quarantine.words_on(db, "traces", "a")
    assert [(word.who, word.before.value, word.after.value, word.time) for word in words] == [
        ("operator ann", "waiting", "anomaly", 300.0),
        ("operator bob", "anomaly", "normal", 301.0),
        ("operator ann", "normal", "anomaly", 303.0),
        ("operator ann", "anomaly", "waiting", 304.0),
    ]


def test_words_on_several_are_kept_all_or_none(store: Store) -> None:
    add(store, item("a"), item("b"))
    with pytest.raises(UnknownItem, match="lost"):
        quarantine.decide_all(store, "traces", ["a", "lost"], NORMAL, "", "ann", 1.0)
    assert state_of(store, "a") == ("waiting", "")
    done = quarantine.decide_all(store, "traces", ["a", "b", "a"], IGNORED, "", "ann", 1.0)
    assert [one.state for one in done] == [IGNORED] * 3
    with store.read() as db:
        assert len(quarantine.words_on(db, "traces", "a")) == 1
    quarantine.decide(store, "traces", "b", NORMAL, "", "ann", 1.0)
    with store.read() as db:
        assert quarantine.decisions(db, "traces") == {"a": (IGNORED, ""), "b": (NORMAL, "normal")}
        assert set(quarantine.decisions(db, "traces", {"b", "z"})) == {"b"}
    with pytest.raises(NoSuchMove):
        add(store, item("c"))
        quarantine.undo_all(store, "traces", ["a", "c"], "ann", 2.0)
    assert state_of(store, "a") == ("ignored", "")


@pytest.mark.parametrize(
    ("state", "label"),
    [(WAITING, ""), (ANOMALY, ""), (ANOMALY, "  "), (ANOMALY, "normal"), (NORMAL, "hang")],
)
def test_a_word_that_is_none_changes_nothing(store: Store, state: Vetting, label: str) -> None:
    add(store, item("a"))
    with pytest.raises(NoSuchMove):
        quarantine.decide(store, "traces", "a", state, label, "ann", 1.0)
    assert state_of(store, "a") == ("waiting", "")


def test_the_word_on_a_period_holds_for_what_has_none_of_its_own(store: Store) -> None:
    period = period_key("t1")
    add(store, item("a"), item("b"), item("other", turn="t0"))
    quarantine.decide(store, "traces", "b", IGNORED, "", "ann", 1.0)
    add(store, item(period, kind=""), item("c"))
    with store.read() as db:
        listed = quarantine.waiting(db, "traces")
        assert {one.key for one in listed} == {period, "other"}
        assert next(one for one in listed if one.is_period).examples == 2
        beneath = quarantine.find(db, Wanted("traces", turn="t1"), 10)
        assert [one.key for one in beneath] == [period, "a", "b", "c"]
    quarantine.decide(store, "traces", period, NORMAL, "", "ann", 2.0)
    with store.read() as db:
        told = {key: state.value for key, (state, _) in quarantine.decisions(db, "traces").items()}
        assert told == {"a": "normal", "b": "ignored", "c": "normal", "other": "waiting"}
        assert quarantine.decisions(db, "traces")["a"] == (NORMAL, "")
        assert quarantine.counts(db)["traces", "normal"] == 2
    quarantine.decide(store, "traces", "a", ANOMALY, "hang", "ann", 3.0)
    quarantine.undo(store, "traces", period, "ann", 4.0)
    assert state_of(store, "c") == ("waiting", "")
    assert state_of(store, "a") == ("anomaly", "hang")
    quarantine.undo(store, "traces", "a", "ann", 5.0)
    assert state_of(store, "a") == ("waiting", "")


def test_items_are_found_by_what_is_wanted(store: Store) -> None:
    add(store, item("a"), item("b", kind="w2"), item("a", subject="failures"))
    quarantine.decide(store, "traces", "a", NORMAL, "", "ann", 1.0)
    with store.read() as db:

        def keys(limit: int = 10, **wanted: object) -> list[tuple[str, str]]:
            found = quarantine.find(db, Wanted(**wanted), limit)  # type: ignore[arg-type]
            return [(one.subject, one.key) for one in found]

        assert len(keys()) == 3
        assert len(keys(limit=2)) == 2
        assert keys(subject="traces", kind="w2") == [("traces", "b")]
        assert keys(state=NORMAL) == [("traces", "a")]
        name = item("a").id
        assert keys(named=name) == keys(named=name[:4]) == [("traces", "a")]
        assert keys(named=name[:3]) == []
        assert len(keys(named="a")) == 2
        assert keys(named="%") == keys(named="____") == []


def test_items_go_through_json_with_their_id() -> None:
    kind = TypeAdapter(Item)
    one = item("n1/1.000/0-1")
    document = kind.dump_python(one, mode="json")
    assert document["id"] == one.id
    assert kind.validate_python(document) == one


def test_words_stay(store: Store) -> None:
    add(store, item("a"))
    quarantine.decide(store, "traces", "a", NORMAL, "", "ann", 1.0)
    for change in ("DELETE FROM vettings", "UPDATE vettings SET who = 'eve'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.write() as db:
            db.execute(change)


MOVES = st.lists(
    st.one_of(
        st.just(None),
        st.tuples(st.just(NORMAL), st.just("")),
        st.tuples(st.just(ANOMALY), st.sampled_from(["hang", "leak"])),
        st.tuples(st.just(IGNORED), st.just("")),
    ),
    max_size=20,
)


@given(MOVES)
def test_as_many_undos_as_words_at_most_lead_back_to_waiting(
    moves: list[tuple[Vetting, str] | None],
) -> None:
    """None is an undo; what stands always ends in the present state, undone it gets shorter."""
    words: list[Word] = []
    now: tuple[Vetting, str] = (WAITING, "")

    def say(told: tuple[Vetting, str]) -> None:
        nonlocal now
        words.append(Word(0.0, "ann", "a", now[0], *told))
        now = told

    for move in moves:
        standing = standing_words(words)
        assert standing[-1] == now
        if move is None and len(standing) > 1:
            say(standing[-2])
            assert len(standing_words(words)) == len(standing) - 1
        elif move is not None and move != now:
            say(move)
    for _ in range(len(moves)):
        standing = standing_words(words)
        if len(standing) > 1:
            say(standing[-2])
    assert now == (WAITING, "")
