"""The registry on a real MLflow server with PostgreSQL: every thing once, and models that load."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobmend.brain.learning.registry import registry as module
from jobmend.brain.learning.registry.logged_turn import LoggedArm, LoggedTurn, Part
from jobmend.brain.learning.registry.registering import Challenger, record
from jobmend.brain.learning.registry.registry import CHALLENGER, CHAMPION, Registry
from jobmend.brain.models import champions
from jobmend.brain.store import Store
from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.reporting.pyfunc_columns import COLUMNS as OF_FAILURES
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.traces.model import TraceModel
from jobmend.classifier.traces.pyfunc_columns import COLUMNS as OF_TRACES
from jobmend.classifier.tracking import TrackingError, default_uri
from jobmend.jobs.wire import window_body
from tests.brain.learning.serving import Served, mlflow_server, postgres
from tests.classifier.traces.synthetic import healthy_windows

NOW = 1_800_000_000.0
AWAY = "http://ann:hush-hush@127.0.0.1:9"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with postgres() as base, mlflow_server(base, tmp_path_factory.mktemp("mlflow")) as served:
        yield served


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two trace models and a failure classifier, of synthetic data."""
    folder = tmp_path_factory.mktemp("saved")
    for seed in (0, 1):
        windows = healthy_windows(np.random.default_rng(seed), 40, per_run=1)
        TraceModel(reconstruction="pca").fit(windows).save(folder / f"traces-{seed}")
    history = generate(120, seed=1).history
    FailureClassifier(arms=("majority",)).fit(history).save(folder / "failures")
    return {path.name: path for path in folder.iterdir()}


def turn_of(id: str, subject: str = "traces", **other: Any) -> LoggedTurn:
    parts = (Part("train", "a" * 64, 7, NOW - 9, NOW), Part("held-out", "b" * 64, 3, NOW, NOW))
    arms = (LoggedArm("pca", {"rank": 8}, {"loss": 0.25}), LoggedArm("vae", note="too few windows"))
    return LoggedTurn(
        subject, id, NOW, NOW + 60, "promoted", "it won",
        {"seed": 0}, {"loss": 0.25, "gain": float("nan")}, parts, arms, {"who": "t\x1b[2Jest"},
        "0.1.0+abc", {"numpy": "2"}, **other,
    )  # fmt: skip


def client(uri: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(uri)


def loaded(uri: str, name: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        return mlflow.pyfunc.load_model(name)
    finally:
        mlflow.set_tracking_uri(None)


def runs_of(uri: str, subject: str, turn: str) -> dict[str, Any]:
    """The runs of a turn by their names."""
    asked = client(uri)
    experiment = asked.get_experiment_by_name(f"jobmend {subject}").experiment_id
    found = asked.search_runs([experiment], f"tags.`jobmend.turn` = '{turn}'")
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def test_a_turn_is_one_run_with_a_child_an_arm_however_often_it_is_told(
    server: Served, tmp_path: Path
) -> None:
    (tmp_path / "journal.json").write_text("{}")
    registry, files = Registry(server.uri), (tmp_path / "journal.json", tmp_path / "gone.png")
    turn = turn_of("20260101T000000-0000000a", files=files)
    assert registry.log_turn(turn) == registry.log_turn(turn)
    runs = runs_of(server.uri, "traces", turn.turn)
    parent = runs[f"turn {turn.turn}"]
    assert set(runs) == {parent.info.run_name, "pca", "vae"}
    for arm, status in (("pca", "FINISHED"), ("vae", "FAILED")):
        assert runs[arm].data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert runs[arm].info.status == status
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"loss": 0.25} and parent.data.params == {"seed": "0"}
    tags = parent.data.tags
    assert tags["data.train.sha256"] == "a" * 64 and tags["data.held-out.examples"] == "3"
    assert (tags["jobmend.code"], tags["environment.numpy"]) == ("0.1.0+abc", "2")
    assert "\x1b" not in tags["who"]
    inputs = {one.tags[0].value: one.dataset for one in parent.inputs.dataset_inputs}
    assert inputs["train"].digest == "a" * 36
    assert json.loads(inputs["train"].profile) == {"examples": 7, "first": NOW - 9, "last": NOW}
    assert [one.path for one in client(server.uri).list_artifacts(parent.info.run_id)] == [
        "journal.json"
    ]


def test_a_turn_that_was_killed_while_it_was_told_is_told_to_the_end(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, turn = Registry(server.uri), turn_of("20260101T000000-0000000b")
    with monkeypatch.context() as patch:
        patch.setattr(module, "inputs_of", lambda record: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            registry.log_turn(turn)
    registry.log_turn(turn)
    runs = runs_of(server.uri, "traces", turn.turn)
    assert len(runs) == 3 and len(runs[f"turn {turn.turn}"].inputs.dataset_inputs) == 2


def test_a_turn_that_failed_is_a_failed_run_with_its_reason(server: Served) -> None:
    registry, id, why = Registry(server.uri), "20260101T000000-0000000f", "OSError: no disk"
    failed = LoggedTurn("traces", id, NOW, NOW + 60, "failed", why)
    assert registry.log_turn(failed) == registry.log_turn(failed)
    (run,) = runs_of(server.uri, "traces", id).values()
    assert (run.info.status, run.info.end_time) == ("FAILED", (NOW + 60) * 1000)
    assert run.data.tags["mlflow.note.content"] == why
    assert run.data.tags["jobmend.state"] == "failed"
    registry.log_turn(turn_of(id))  # killed before its end was noted, it was resumed
    runs = runs_of(server.uri, "traces", id)
    again = runs[f"turn {id}"]
    assert (len(runs), again.info.run_id, again.info.status) == (3, run.info.run_id, "FINISHED")
    assert (again.data.tags["jobmend.state"], again.data.metrics["loss"]) == ("promoted", 0.25)


def test_a_model_is_registered_once_and_scores_windows_where_it_is_loaded(
    server: Served, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, directory = Registry(server.uri), saved["traces-0"]
    turn = "20260101T000000-0000000c"
    with monkeypatch.context() as patch:  # killed between the model and its version
        patch.setattr(module, "_ensure_named", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            registry.register("traces", turn, directory)
    one = registry.register("traces", turn, directory, {"jobmend.arm": "pca"})
    assert registry.register("traces", "another turn", directory) == one
    assert len(client(server.uri).search_logged_models(["1", "2"])) == 1
    registry.alias("traces", CHAMPION, one.version)
    registry.alias("traces", CHALLENGER, one.version)
    registry.alias("traces", CHALLENGER, None)
    registry.alias("traces", CHALLENGER, None)
    assert registry.aliases("traces") == {CHAMPION: one.version}
    assert not list(server.artifacts.rglob("*.pkl"))
    model = loaded(server.uri, "models:/jobmend-traces@champion")
    assert [(c.name, c.type.name) for c in model.metadata.signature.outputs] == list(
        OF_TRACES.items()
    )
    assert model.predict(model.input_example)["p"].tolist() == [1.0]
    judges_as_the_brain(model, TraceModel.load(directory))


def nulled(told: Any) -> Any:
    """Nested lists with None for NaN."""
    if isinstance(told, list):
        return [nulled(one) for one in told]
    return None if math.isnan(told) else told


def judges_as_the_brain(model: Any, ours: TraceModel) -> None:
    """Windows as the wire has them, or with nested lists in which null is not measured."""
    import pandas

    (window,) = healthy_windows(np.random.default_rng(5), 1, per_run=1)
    body = window_body(window)
    values = np.asarray(window.values).reshape(window.shape)
    nested = {**body, "values": nulled(values.tolist())}
    rows = pandas.DataFrame({"window": [json.dumps(body), json.dumps(nested)]})
    answer = model.predict(rows)
    scores = ours.score_samples(window)
    for row in answer.to_dict("records"):
        told = json.loads(row["judged"])
        assert row["score"] == pytest.approx(np.nanmax(scores))
        assert told["threads"]["2"] is None and told["runs"] == {"run-0": row["p"]}
    for text in ("[]", "{", '{"node": 1}', json.dumps({**body, "values": [[1], [1, 2]]})):
        with pytest.raises(ValueError, match="row 3: is no window"):
            model.predict(pandas.concat([rows, pandas.DataFrame({"window": [text]})]))
    short = json.dumps(
        {**body, "threads": [0], "owners": ["x"], "values": [[values[0, 0].tolist()]]}
    )
    with pytest.raises(ValueError, match="row 1: "):
        model.predict(pandas.DataFrame({"window": [short]}))


def test_a_model_does_not_change_when_its_turn_ended(
    server: Served, saved: dict[str, Path]
) -> None:
    registry, turn = Registry(server.uri), turn_of("20260101T000000-0000000e")
    run = registry.log_turn(turn)
    registry.register("traces", turn.turn, saved["traces-1"])
    info = client(server.uri).get_run(run).info
    assert (info.status, info.start_time, info.end_time) == (
        "FINISHED",
        NOW * 1000,
        (NOW + 60) * 1000,
    )


def test_the_failure_classifier_loads_as_well(server: Served, saved: dict[str, Path]) -> None:
    registry = Registry(server.uri)
    version = registry.register("failures", "20260101T000000-0000000d", saved["failures"])
    model = loaded(server.uri, f"models:/{version.name}/{version.version}")
    (row,) = model.predict(model.input_example).to_dict("records")
    assert list(row) == list(OF_FAILURES)
    assert json.loads(row["prediction"])["action"] == row["action"]


def test_what_a_server_that_was_away_missed_is_caught_up(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    store, models = Store(tmp_path / "brain.db"), tmp_path / "models"
    body = {"arm": "pca", "turn": "t1"}
    champions.promote(
        store, models, "traces", saved["traces-0"], turn="t1", now=NOW, why="first", body=body
    )
    challenger = Challenger("t2", saved["traces-1"], {"jobmend.arm": "pca"})
    (note,) = record(store, Registry(AWAY), models, turn_of("t1"), None)
    assert note == (
        "not registered: MLflow at http://127.0.0.1:9: nothing answers there; the champion works"
        " without it, and the next turn registers what is missing"
    )
    near = Registry(default_uri(models))
    for _ in range(2):
        assert record(store, near, models, turn_of("t2"), challenger) == ()
    assert near.aliases("traces") == {CHAMPION: "1", CHALLENGER: "2"}
    assert {"turn t1", "turn t2"} == {
        run for turn in ("t1", "t2") for run in runs_of(near.uri, "traces", turn) if "turn" in run
    }
    with store.read() as db:
        newest = champions.newest(db, "traces")
    assert newest is not None
    assert newest.body["registry"]["version"] == "1" and newest.body["arm"] == "pca"
    champions.promote(
        store, models, "traces", saved["traces-1"], turn="t3", now=NOW, why="won", body={**body}
    )
    assert record(store, near, models, turn_of("t3"), None) == ()
    assert near.aliases("traces") == {CHAMPION: "2"}
    assert len(client(near.uri).search_model_versions("name = 'jobmend-traces'")) == 2
    with store.write() as db:
        champions.add(db, "traces", digest="d", turn="t4", now=NOW, why="", body={})
    (note,) = record(store, near, models, turn_of("t4"), None)
    assert note.startswith("champion 3 of traces is not registered: ") and "cannot be read" in note
    store.close()


def test_models_of_no_known_kind_and_ids_that_are_none_are_refused(
    server: Served, saved: dict[str, Path]
) -> None:
    registry = Registry(server.uri)
    with pytest.raises(TrackingError, match="models of toys have no form"):
        registry.register("toys", "t1", saved["failures"])
    with pytest.raises(ValueError, match="is no id of a turn"):
        registry.log_turn(turn_of("it's"))
