"""What the store forgets with age, what it keeps all the same, and who may go on meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobmend.brain import (
    audit,
    decisions,
    drifts,
    ingest,
    outages,
    quarantine,
    recommendations,
    retention,
    runs,
)
from jobmend.brain.backfill import TooLongAgo
from jobmend.brain.brain import Brain
from jobmend.brain.config import parse_config
from jobmend.brain.evidence import Evidence
from jobmend.brain.learning import turns
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.quarantined import Item, Vetting, period_key
from jobmend.brain.retention import DAY, Kept, Retention
from jobmend.brain.store import Store
from jobmend.classifier.drift import Drift
from jobmend.classifier.failures.task import History
from jobmend.jobs.actions import Action, ActionKind, Advice, Outcome, State
from jobmend.jobs.events import JobEvent
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run, Workflow
from jobmend.plugins.scheduler import Nodes, Outage
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, OOM, Clock, ended, run_of, told

KEEP, KEEP_AUDIT = 90 * DAY, 730 * DAY
HELD = Exit("htcondor", ExitKind.HELD, state="HELD", reason="disk full")
APPLIED = (State.APPROVED, State.APPLIED)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that does all there is; the tests of rounds set this anew."""
    monkeypatch.setattr(retention, "ROUND_SECONDS", 600.0)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)


def forget(brain: Brain, clock: Clock, after: float = KEEP + DAY) -> Counter[str]:
    """Let time pass, then go one round; what went."""
    clock.time += after
    gone: Counter[str] = Counter()
    keeper(brain.store, clock, gone).round()
    return gone


def keeper(store: Store, clock: Clock, gone: Counter[str]) -> Retention:
    def count(what: str, number: int) -> None:
        gone[what] += number

    return Retention(store, Kept(90, 730), 3600.0, clock, count)


def propose(brain: Brain, workflow: str, *moves: State) -> int:
    action = Action(ActionKind.RECOVER)
    advice = Advice("out_of_memory", action, (), {ActionKind.RECOVER: 1.0}, ())
    with brain.store.write() as db:
        new = recommendations.propose(db, Workflow("c1", workflow), advice, "f", brain.clock())
    return move(brain, new.id, *moves)


def move(brain: Brain, id: int, *states: State, outcome: Outcome | None = None) -> int:
    with brain.store.write() as db:
        for state in states:
            one = recommendations.get(db, id)
            recommendations.move(db, one, state, now=brain.clock(), who="ann", outcome=outcome)
    return id


def counted(store: Store, *tables: str) -> list[int]:
    with store.read() as db:
        return [db.execute(f"SELECT count(*) FROM {it}").fetchone()[0] for it in tables]


def known_runs(store: Store) -> set[str]:
    with store.read() as db:
        return {Run.from_key(row["key"]).job_id for row in db.execute("SELECT key FROM runs")}


def ids(store: Store) -> list[int]:
    with store.read() as db:
        return sorted(one.id for one in recommendations.newest(db, 99))


# ---- runs and recommendations ------------------------------------------------------------------


def test_what_ended_long_ago_goes_with_all_that_hangs_on_it(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, OOM), *ended(2, OK, workflow="w2"))
    tell(*ended(1, BUG, number=0))  # accounting corrects itself: an end is given up
    propose(brain, "w1", State.REJECTED)
    with brain.store.write() as db:
        told_nodes = Nodes({"s1": ("n1",)}, (Outage("n1", NOW - 50, NOW - 40, "down", ""),))
        outages.keep(db, ("c1", "memory"), told_nodes, NOW)
        db.execute("INSERT INTO site_spells VALUES ('c1', 's1', 1.0, ?, 'bad')", (NOW,))
    clock.time += KEEP
    tell(*ended(3, OK, time=clock.time - 60, workflow="w3"))
    assert forget(brain, clock, DAY) == {
        "recommendations": 1, "runs": 2, "workflows": 2, "outages": 1, "site_spells": 1,
    }  # fmt: skip
    assert known_runs(brain.store) == {"3"}
    left = counted(brain.store, "events", "given_up", "steps", "workflows", "nodes")
    assert left == [2, 0, 0, 1, 1]
    assert forget(brain, clock, DAY) == {}, "there is no more"


def test_what_is_open_is_kept_whatever_its_age(brain: Brain, tell: Tell, clock: Clock) -> None:
    tell(*ended(1, OOM, workflow="asked"), *ended(2, OOM, workflow="acted"))
    tell(*ended(20, OK, workflow="elsewhere"), *ended(21, OK, workflow="elsewhere"))
    tell(told("start", 3, workflow="runs on"), *ended(4, OOM, workflow="runs on"))
    held = Run("c1", "htcondor", "5", "0")
    tell(*(replace(it, run=held, exit=it.exit and HELD) for it in ended(5, OOM, workflow="held")))
    propose(brain, "asked")
    acted = propose(brain, "acted", *APPLIED)
    with brain.store.write() as db:
        recommendations.add_follow_ups(db, acted, (run_of(20),))
    propose(brain, "runs on", State.REJECTED)
    assert forget(brain, clock) == {"recommendations": 1, "runs": 1}
    assert known_runs(brain.store) == {"1", "2", "20", "21", "3", "5"}
    assert ids(brain.store) == [1, acted]
    with brain.store.read() as db:
        assert runs.load(db, held) is not None
        assert len(runs.of_workflow(db, Workflow("c1", "elsewhere"))) == 2
    move(brain, acted, State.VERIFIED, outcome=Outcome.SUCCESS)
    move(brain, 1, State.EXPIRED)
    gone = forget(brain, clock)
    assert (gone["recommendations"], gone["runs"]) == (2, 4)
    assert known_runs(brain.store) == {"3", "5"}


def test_a_run_does_not_go_before_the_one_that_it_repeats(
    brain: Brain, tell: Tell, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    monkeypatch.setattr(retention, "ROUND_SECONDS", 0.0)
    tell(*ended(1, OK, number=1, time=NOW - 10), *ended(1, OOM, number=0, time=NOW - 99))
    clock.time += KEEP + DAY
    rounds = keeper(brain.store, clock, gone := Counter[str]())
    while gone["runs"] == 0:
        rounds.round()
    with brain.store.read() as db:
        (left,) = runs.of_workflow(db, Workflow("c1", "w1"))
    assert left.succeeded


def test_a_number_is_not_given_twice(brain: Brain, tell: Tell, clock: Clock) -> None:
    assert [propose(brain, f"w{n}", State.REJECTED) for n in (1, 2)] == [1, 2]
    assert forget(brain, clock)["recommendations"] == 2
    assert propose(brain, "w1") == 3
    with brain.store.read() as db:
        assert [entry.what for entry in audit.of_recommendation(db, 2)] == ["proposed", "rejected"]


def test_a_run_whose_end_is_corrected_meanwhile_stays(
    brain: Brain, tell: Tell, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(*ended(1, OOM), *ended(2, OOM))
    (rule,) = (one for one in retention.RULES if one.what == "runs")

    def looked_up(db: sqlite3.Connection, old: float) -> Iterator[retention.Key]:
        keys = list(rule.find(db, old))
        tell(*ended(1, BUG, time=clock.time))
        return iter(keys)

    monkeypatch.setattr(retention, "RULES", (replace(rule, find=looked_up),))
    assert forget(brain, clock) == {"runs": 1}
    assert known_runs(brain.store) == {"1"}
    assert counted(brain.store, "events", "given_up") == [2, 1]


# ---- what is learned from ----------------------------------------------------------------------


def learned(brain: Brain) -> History:
    with brain.store.read() as db:
        return decisions.history(db, 3600.0)


def test_what_was_decided_is_learned_from_when_its_runs_are_gone(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    for number, workflow in enumerate(("helped", "harmed", "waits", "back"), 1):
        tell(*ended(number, OOM, workflow=workflow), *ended(number + 10, OK, workflow=workflow))
    helped, harmed, waits, back = (
        propose(brain, it, *APPLIED) for it in ("helped", "harmed", "waits", "back")
    )
    tell(*(it for n in range(30, 40) for it in ended(n, BUG, workflow="neighbour")))
    before = learned(brain)
    assert len(before.tasks) == 4 and before.tasks[0].cells
    forget(brain, clock, 2 * DAY)
    assert learned(brain) == before, "read from what was written down"
    move(brain, helped, State.VERIFIED, outcome=Outcome.SUCCESS)
    move(brain, harmed, State.VERIFIED, outcome=Outcome.FAILURE)
    with brain.store.write() as db:
        db.execute("UPDATE recommendations SET state = 'failed' WHERE id = ?", (back,))
    names = ["c1/helped", "c1/waits"]
    assert [task.name for task in learned(brain).tasks] == names
    assert forget(brain, clock)["recommendations"] == 3
    assert ids(brain.store) == [waits]
    now = learned(brain)
    assert list(now.tasks) == [task for task in before.tasks if task.name in names]
    assert counted(brain.store, "decided_tasks") == [2]
    with brain.store.read() as db:
        assert not decisions.history(db, 3600.0, since=NOW + 1).tasks


def test_a_decision_is_written_down_before_its_recommendation_goes(
    brain: Brain, tell: Tell, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(*ended(1, OOM))
    id = propose(brain, "w1", *APPLIED)
    move(brain, id, State.VERIFIED, outcome=Outcome.SUCCESS)
    with monkeypatch.context() as patch:
        patch.setattr(decisions, "write_down", lambda *_: 0)
        assert "recommendations" not in forget(brain, clock)
    assert forget(brain, clock, DAY)["recommendations"] == 1


def item(key: str, turn: str, since: float) -> Item:
    return Item("traces", key, turn, since - DAY, since, "w1", 0.004, "unlike all that was learned")


def test_what_persons_said_of_examples_is_kept_without_its_evidence(
    brain: Brain, clock: Clock
) -> None:
    evidence = Evidence(facts={"job": "c1/w1"})
    keys = ("waits", "normal", "hang", "undone")
    periods = {"accepted": Vetting.NORMAL, "refused": Vetting.IGNORED, "open": None}
    with brain.store.write() as db:
        for key in keys:
            quarantine.add(db, item(key, "t1", NOW), evidence)
        for turn in periods:
            quarantine.add(db, item(period_key(turn), turn, NOW), evidence)
            quarantine.add(db, item(f"in {turn}", turn, NOW), evidence)
    store = brain.store
    quarantine.decide(store, "traces", "normal", Vetting.NORMAL, "", "ann", NOW)
    quarantine.decide(store, "traces", "hang", Vetting.ANOMALY, "hang", "ann", NOW)
    quarantine.decide(store, "traces", "undone", Vetting.IGNORED, "", "ann", NOW)
    quarantine.undo(store, "traces", "undone", "ann", NOW)
    for turn, state in periods.items():
        if state is not None:
            quarantine.decide(store, "traces", period_key(turn), state, "", "ann", NOW)
    with store.read() as db:
        words = dict(quarantine.decisions(db, "traces"))
    clock.time += KEEP
    with store.write() as db:
        quarantine.add(db, item("new", "t9", clock.time), evidence)
    gone = forget(brain, clock, DAY)
    assert gone == {"quarantine": 4, "evidence": 6}
    with store.read() as db:
        kept = dict(quarantine.decisions(db, "traces"))
        assert quarantine.evidence_on(db, "traces", "hang") == Evidence()
        assert quarantine.evidence_on(db, "traces", "new") == evidence
        assert len(quarantine.words_on(db, "traces", "undone")) == 2
    assert kept.pop("new") == (Vetting.WAITING, "")
    assert kept == {key: words[key] for key in ("normal", "hang", "in accepted", "in refused")}


def test_turns_go_but_those_that_say_how_things_stand(brain: Brain, clock: Clock) -> None:
    def turn(id: str, state: TurnState, **body: object) -> None:
        with brain.store.write() as db:
            turns.begin(db, TurnRecord(id, "traces", clock.time, None, TurnState.RUNNING))
            turns.note_step(db, id, "gather", clock.time, 1.0, {})
            if state is not TurnState.RUNNING:
                turns.end(db, id, state, clock.time, body)
        clock.time += 1

    turn("promotes", TurnState.PROMOTED)
    turn("old", TurnState.KEPT)
    turn("compares", TurnState.KEPT, losses={"champion": 1.0})
    turn("drifts", TurnState.KEPT)
    turn("shadow", TurnState.SHADOW)
    turn("killed", TurnState.RUNNING)
    turn("fails", TurnState.FAILED)
    with brain.store.write() as db:
        for id in ("old", "drifts"):
            drifts.keep(db, id, [Drift("user", 0.1, 0.1, 0.5)])
        db.execute("INSERT INTO champions VALUES ('traces', 1, 'd', 'promotes', 1.0, '', '{}')")
    assert forget(brain, clock) == {"turns": 1}
    assert counted(brain.store, "turns", "turn_steps", "drifts") == [6, 6, 1]
    with brain.store.read() as db, pytest.raises(KeyError):
        turns.get(db, "old")


# ---- the audit ---------------------------------------------------------------------------------


def test_the_audit_is_kept_longer_and_loses_its_oldest_alone(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    waits, done = propose(brain, "w1"), propose(brain, "w2", State.REJECTED)
    forget(brain, clock)
    with brain.store.write() as db:
        audit.note(db, clock.time, "ann", "champion rolled back")
        with pytest.raises(sqlite3.IntegrityError, match="append-only from its horizon on"):
            db.execute("DELETE FROM audit WHERE recommendation = ?", (done,))
    assert forget(brain, clock, KEEP_AUDIT - KEEP) == {"audit": 2}
    with brain.store.read() as db:
        entries = [(one.recommendation, one.what) for one in audit.newest(db, 9)]
    assert entries == [(None, "champion rolled back"), (waits, "proposed")]
    with brain.store.write() as db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("DELETE FROM audit WHERE recommendation IS NULL")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("UPDATE audit SET who = 'bob'")


# ---- beside others -----------------------------------------------------------------------------

RUNS = 1500


def history_of(count: int, first: int = 0) -> list[JobEvent]:
    return [
        event
        for job in range(first, first + count)
        for event in ended(job, OK, time=NOW + job / 1000, workflow=f"w{job % 50}")
    ]


@contextmanager
def weighed(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many rows each transaction of the store changes."""
    write, sizes = store.write, list[int]()

    @contextmanager
    def weighing() -> Iterator[sqlite3.Connection]:
        with write() as db:
            before = db.total_changes
            yield db
            sizes.append(db.total_changes - before)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", weighing)
        yield sizes


def test_a_large_store_shrinks_in_small_steps_beside_a_reader_and_a_writer(
    brain: Brain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = brain.store
    ingest.take_events(store, history_of(RUNS), now=NOW, max_windows=1, historic=True)
    monkeypatch.setattr(retention, "ROUND_SECONDS", 0.0)  # a step a round
    monkeypatch.setattr(retention, "LOOKED_UP", 500)
    clock.time += KEEP + DAY
    rounds, gone, made = keeper(store, clock, counts := Counter[str]()), list[int](), 0
    full = store.size().bytes
    stop = threading.Event()

    def write() -> None:
        nonlocal made
        while not stop.is_set():
            new = [told("start", RUNS + made, time=clock.time)]
            assert ingest.take_events(store, new, now=clock.time, max_windows=1).accepted == 1
            made += 1
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    with store.read() as reader, weighed(store, monkeypatch) as sizes:
        assert reader.execute("SELECT count(*) FROM runs WHERE ended > 0").fetchone()[0] == RUNS
        while True:
            before = counts["runs"]
            rounds.round()
            gone.append(counts["runs"] - before)
            if rounds._left is None:
                break
            wrote = made
            while made == wrote and writer.is_alive():  # it is let in between two steps
                time.sleep(0.001)
        assert reader.execute("SELECT count(*) FROM runs WHERE ended > 0").fetchone()[0] == RUNS
        assert reader.execute("SELECT count(*) FROM events").fetchone()[0] >= 2 * RUNS
    stop.set()
    writer.join()
    assert sum(gone) == RUNS and max(gone) == retention.BATCH
    assert max(sizes) <= 3 * retention.BATCH, "two events and a run each"
    assert made >= len(gone) - 1 > 1 and counted(store, "runs", "events") == [made, made]
    checkpointed(store)
    now = store.size()
    assert now.bytes < full / 2 and now.free_bytes <= now.bytes * 0.2


def checkpointed(store: Store) -> None:
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def test_a_file_of_before_gives_nothing_back_and_uses_it_again(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "brain.db"
    with sqlite3.connect(path) as db:
        db.executescript((Path(__file__).parent / "schema-1.sql").read_text())
    db.close()
    store = Store(path)
    ingest.take_events(store, history_of(300), now=NOW, max_windows=1, historic=True)
    clock.time += KEEP + DAY
    keeper(store, clock, Counter()).round()
    checkpointed(store)
    size = store.size()
    assert size.free_bytes > size.bytes / 2
    ingest.take_events(store, history_of(250), now=NOW, max_windows=1, historic=True)
    checkpointed(store)
    assert store.size().bytes == size.bytes
    store.close()


def test_after_an_error_the_pass_begins_anew(
    brain: Brain, tell: Tell, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(*ended(1, OK))
    clock.time += KEEP + DAY
    rounds = keeper(brain.store, clock, gone := Counter[str]())
    with monkeypatch.context() as patch:
        patch.setattr(decisions, "write_down", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rounds.round()
    rounds.round()
    assert gone["runs"] == 1
    tell(*ended(2, OK))
    rounds.round()
    assert gone["runs"] == 1, "not due yet"
    clock.time += retention.EVERY_SECONDS
    rounds.round()
    assert gone["runs"] == 2


def test_the_brain_forgets_in_its_round_and_tells(brain: Brain, tell: Tell, clock: Clock) -> None:
    tell(*ended(1, OK))
    clock.time += KEEP + DAY
    brain.watcher.round()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(brain.metrics.page().decode())
        for sample in family.samples
    }
    assert values["jobmend_brain_store_forgotten_total", "runs"] == 1
    assert values["jobmend_brain_store_forgotten_total", "audit"] == 0
    assert values["jobmend_brain_round_errors_total", "forget"] == 0
    assert values["jobmend_brain_store_bytes",] >= brain.store.path.stat().st_size
    assert values["jobmend_brain_store_free_bytes",] >= 0


# ---- how long ----------------------------------------------------------------------------------


def test_the_store_remembers_no_less_than_learning_looks_back() -> None:
    kept = {"keep_days": 10.0}
    assert parse_config({"store": kept}).keep_days == 44
    learning = {"days": 1, "archive_days": 2}
    assert parse_config({"store": kept, "learning": learning}).keep_days == 10


def test_the_past_is_not_read_further_back_than_it_is_kept(brain: Brain, clock: Clock) -> None:
    key = ("c1", "memory")
    with pytest.raises(TooLongAgo, match=r"the store keeps 90 days, .* raise keep_days in \[store"):
        brain.backfill.step(key, NOW - 92 * DAY)
    while not brain.backfill.step(key, NOW - 2 * DAY).done:
        pass
    forget(brain, clock, 300 * DAY)
    reached = brain.backfill.step(key, clock.time - DAY).reached
    assert reached == clock.time - KEEP, "what was read before that is gone"
