"""Gauges of the learning loop, out of rows that the real modules wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobmend.brain import drifts, quarantine
from jobmend.brain.evidence import Evidence
from jobmend.brain.learning import turns
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.metrics.page import BrainMetrics
from jobmend.brain.models import champions
from jobmend.brain.quarantined import Item, Vetting
from jobmend.brain.store import Store
from jobmend.classifier.drift import Drift

DAY = 86400.0
PREFIX = "jobmend_brain_learning_"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "brain.db")
    yield store
    store.close()


def series(store: Store) -> dict[str, float]:
    """What is there of learning, such as ``turns{kept,traces}``."""
    text = BrainMetrics(store).page().decode()
    return {
        f"{family.name.removeprefix(PREFIX)}{{{','.join(sample.labels.values())}}}": sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith(PREFIX)
        for sample in family.samples
    }


def test_of_a_brain_that_never_learned(store: Store) -> None:
    found = series(store)
    assert found and not any(found.values())
    assert {name.partition("{")[0] for name in found} == {"drifted_features", "quarantined"}


def end(store: Store, id: str, state: TurnState, day: float, **body: object) -> None:
    with store.write() as db:
        turns.begin(db, TurnRecord(id, "traces", day * DAY, None, TurnState.RUNNING))
        turns.note_step(db, id, "gather", day * DAY, 2.5, {"cpu_seconds": 1.0})
        turns.end(db, id, state, day * DAY + 60, body)


def test_of_turns(store: Store) -> None:
    end(store, "a", TurnState.KEPT, 1, losses={"champion": 0.25, "challenger": 0.5})
    end(store, "b", TurnState.KEPT, 2, losses={"champion": 0.5})
    end(store, "c", TurnState.FAILED, 3, why="a bug")
    with store.write() as db:
        turns.begin(db, TurnRecord("d", "traces", 4 * DAY, None, TurnState.RUNNING))
    found = series(store)
    assert by_labels(found, "turns") == {
        ("kept", "traces"): 2,
        ("failed", "traces"): 1,
        ("running", "traces"): 1,
    }
    assert by_labels(found, "last_turn_timestamp_seconds") == {
        ("kept", "traces"): 2 * DAY + 60,
        ("failed", "traces"): 3 * DAY + 60,
    }
    assert by_labels(found, "turn_step_seconds") == {("gather", "traces"): 2.5}
    assert by_labels(found, "loss") == {("champion", "traces"): 0.5}
    assert not by_labels(found, "period_share")


def test_of_the_newest_period_that_was_vetted(store: Store) -> None:
    end(store, "a", TurnState.KEPT, 1, odd_share=0.02, suspect_share=0.05)
    end(store, "b", TurnState.QUARANTINED, 2, odd_share=0.4, suspect_share=0.0)
    end(store, "c", TurnState.KEPT, 3, odd_share=None, suspect_share=None)
    end(store, "d", TurnState.FAILED, 4, why="a bug")
    shares = by_labels(series(store), "period_share")
    assert shares == {("odd", "traces"): 0.4, ("suspect", "traces"): 0.0}


def by_labels(found: dict[str, float], name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sorted(key[len(name) + 1 : -1].split(","))): value
        for key, value in found.items()
        if key.startswith(f"{name}{{")
    }


def test_of_champions_drift_and_quarantine(store: Store) -> None:
    end(store, "a", TurnState.PROMOTED, 1)
    with store.write() as db:
        body = {"arm": "pca", "band": [0.1, 0.3], "registry": {"version": "7"}}
        champions.add(db, "traces", digest="d", turn="a", now=DAY, why="first", body=body)
        told = [Drift("user", 0.5, 0.4, 0.001), Drift("system", 0.1, 0.1, 0.5)]
        drifts.keep(db, "a", [*told, Drift("novelty", math.nan, 0.2, 0.5)])
        for since, key in ((7.0, "w1"), (5.0, "w2")):
            item = Item("traces", key, "a", 1.0, since, "fit", 0.001, "new", Vetting.WAITING, "")
            quarantine.add(db, item, Evidence())
    quarantine.decide(store, "traces", "w1", Vetting.NORMAL, "", "ann", 9.0)
    found = series(store)
    assert by_labels(found, "champion_info") == {("1", "7", "pca", "traces"): 1}
    assert by_labels(found, "champion_promoted_timestamp_seconds") == {("traces",): DAY}
    assert by_labels(found, "loss_band") == {("low", "traces"): 0.1, ("high", "traces"): 0.3}
    assert by_labels(found, "drift_psi_max") == {("traces",): 0.5}
    assert by_labels(found, "drifted_features") == {("traces",): 1, ("failures",): 0}
    quarantined = by_labels(found, "quarantined")
    assert quarantined[("traces", "waiting")] == quarantined[("normal", "traces")] == 1
    assert by_labels(found, "quarantine_oldest_timestamp_seconds") == {("traces",): 5}
