"""Agents are set to another step length: the champion scores nothing of it, and gives way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from jobmend.brain.config import parse_config
from jobmend.brain.learning.developing import TracesOfFile
from jobmend.brain.learning.loop import Loop
from jobmend.brain.learning.turns import TurnRecord, TurnState
from jobmend.brain.models import champions, lineage, shelf
from jobmend.brain.store import Store
from jobmend.jobs.windows import WindowLength
from tests.brain.learning.windows import healthy

DAY = 86400.0


def test_a_turn_learns_one_length_and_follows_agents_that_are_set_anew(tmp_path: Path) -> None:
    learning = {"arms_traces": ["pca"], "period_seconds": DAY, "days": 9}
    store = {"path": str(tmp_path / "brain.db"), "models": str(tmp_path / "models")}
    config = parse_config({"store": store, "learning": learning})
    known = Store(config.store.path)
    fine = healthy(0, 60, begin=0.5 * DAY, name="fine")
    others = healthy(1, 9, begin=0.6 * DAY + 30, name="other")
    coarse = healthy(2, 60, begin=1.5 * DAY, name="coarse")
    set_anew = [
        dataclasses.replace(one, content=dataclasses.replace(one.content, step_seconds=15.0))
        for one in (*others, *coarse)
    ]
    few, many = set_anew[: len(others)], set_anew[len(others) :]
    told = sorted([*fine, *few], key=lambda one: one.time)
    subject = TracesOfFile(known, told, config.learning)

    def turn(day: float) -> TurnRecord:
        (turned,) = Loop(known, config, lambda: day * DAY).learn([subject])
        return turned.record

    def champion() -> champions.Champion:
        with known.read() as db:
            found = champions.newest(db, subject.name)
        assert found is not None
        return found

    first = turn(1)
    assert first.state is TurnState.PROMOTED, first.body["why"]
    (note,) = first.body["notes"]
    assert note.startswith("36 of 276 windows are left out: they are no 32 steps of 1 s")
    assert champion().body["length"] == {"steps": 32, "step_seconds": 1.0}
    before = subject.load(config.store.models / subject.name)
    assert np.isnan(before.scores([one.content for one in many])).all()

    subject = TracesOfFile(known, [*told, *many], config.learning)
    second = turn(2)
    assert second.state is TurnState.PROMOTED, second.body["why"]
    assert "the champion cannot judge what is told now" in second.body["why"]
    (note,) = second.body["notes"]
    assert note.startswith("240 of 516 windows are left out: they are no 32 steps of 15 s")
    assert second.body["late"] == len(few), "no turn has looked at them before"
    model = shelf.ModelShelf(config.store.models).current().traces
    assert model is not None and model.length == WindowLength(32, 15.0)
    with known.read() as db:
        told_of = lineage.of_model(
            db, config.store.models, subject.name, champion().digest, 3 * DAY
        )
    assert told_of.length == {"steps": 32, "step_seconds": 15.0}
    known.close()
