"""Trainings in MLflow: the embedded store, a real server, and the model loaded elsewhere."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobmend.classifier.failures.history.digest import digest
from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.reporting.assembly import report_of
from jobmend.classifier.failures.reporting.pyfunc_columns import COLUMNS
from jobmend.classifier.failures.reporting.tracked import run_of
from jobmend.classifier.failures.reporting.tracking import Logged, Run, log_run
from jobmend.classifier.failures.synthetic.tasks import generate
from jobmend.classifier.failures.task import History
from jobmend.classifier.tracking import TrackingError, default_uri, public, without_secrets
from tests.brain.learning.serving import QUIET, mlflow_server

# Run in a fresh process: load what was logged, predict its input example, then what is no task.
PREDICT = """
import json, sys, mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
answer = model.predict(model.input_example)
errors = []
for text in ("{", "{}"):
    try:
        model.predict(pandas.concat([model.input_example, pandas.DataFrame({"task": [text]})]))
    except ValueError as error:
        errors.append(str(error))
columns = [(column.name, column.type.name) for column in model.metadata.signature.outputs]
rows = answer.to_dict("records")
print(json.dumps({"rows": rows, "columns": columns, "errors": errors}))
"""


@pytest.fixture(scope="module")
def history() -> History:
    """Synthetic."""
    return generate(240, seed=1).history


@pytest.fixture(scope="module")
def run(history: History, tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("models") / "failures"
    model = FailureClassifier(arms=("majority", "logistic"), threads=1).fit(history)
    model.save(directory)
    report = report_of(model, history, now=datetime(2026, 1, 2, tzinfo=UTC))
    return run_of(model, history, directory, report, digest(history.tasks))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on a port of its own."""
    with mlflow_server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path) as served:
        yield served.uri


def predict_elsewhere(uri: str, logged: Logged, tmp_path: Path) -> dict[str, Any]:
    """What a fresh process, in another folder, gets from the model."""
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, uri, f"runs:/{logged.run_id}/model"],
        env=QUIET,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def pickles(folder: Path) -> list[Path]:
    """Files that are pickles by name or by their first bytes."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and (
            path.suffix in {".pkl", ".pickle", ".joblib", ".cloudpickle"}
            or (path.read_bytes()[:1] == b"\x80" and path.read_bytes()[-1:] == b".")
        )
    ]


def test_the_embedded_store_keeps_run_report_plots_and_a_model_without_pickle(
    run: Run, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    uri = default_uri(models)
    logged = log_run(uri, run)
    with sqlite3.connect(models / "mlflow.db") as base:
        params = dict(base.execute("SELECT key, value FROM params").fetchall())
        tags = dict(base.execute("SELECT key, value FROM tags").fetchall())
        metrics = dict(base.execute("SELECT key, value FROM metrics").fetchall())
        digests = base.execute("SELECT digest FROM datasets").fetchall()
    assert params["champion"] in ("majority", "logistic")
    assert tags["data.sha256"] == run.digest and tags["data.kind"] == "synthetic"
    assert digests == [(run.digest[:36],)]
    assert metrics["log_loss"] > 0 and "class/acdc/recall" in metrics
    files = {path.relative_to(models).name for path in (models / "mlruns").rglob("*")}
    assert {"report.html", "roc.png", "calibration.png", "MLmodel", "pyfunc.py"} <= files
    assert pickles(models) == []
    assert not list(Path.cwd().glob("mlruns")) and not list(Path.cwd().glob("mlflow.db"))
    found = predict_elsewhere(uri, logged, tmp_path)
    assert [tuple(column) for column in found["columns"]] == list(COLUMNS.items())
    (row,) = found["rows"]
    prediction = json.loads(row["prediction"])
    assert row["action"] == prediction["action"]
    assert row["probability"] == max(prediction["probabilities"].values())
    assert len(found["errors"]) == 2
    assert all(error.startswith("row 2") for error in found["errors"])


def test_a_second_training_joins_the_experiment_on_a_server_and_serves_its_model(
    run: Run, server: str, tmp_path: Path
) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    one, other = log_run(server, replace(run, pictures={})), log_run(server, run)
    assert one.run_id != other.run_id
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
    assert pickles(tmp_path / "served") == []
    mlflow.set_tracking_uri(server)
    try:
        runs = [mlflow.get_run(logged.run_id).info for logged in (one, other)]
        model = mlflow.pyfunc.load_model(other.model_uri)
    finally:
        mlflow.set_tracking_uri(before)
    assert len({info.experiment_id for info in runs}) == 1
    assert {info.status for info in runs} == {"FINISHED"}
    assert list(model.predict(model.input_example).columns) == list(COLUMNS)


@pytest.mark.parametrize("kind", ["no server", "no folder", "no database"])
def test_what_is_not_there_is_one_sentence_without_secrets(
    kind: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("this is no database, but long enough to look at" * 100)
    uri = {
        "no server": "http://operator:hush-hush@127.0.0.1:9",
        "no folder": f"sqlite:///{tmp_path}/file/deeper/mlflow.db",
        "no database": f"sqlite:///{tmp_path}/file",
    }[kind]
    with pytest.raises(TrackingError) as caught:
        log_run(uri, run)
    told = str(caught.value)
    assert told.startswith("the training was not logged: MLflow at ") and "\n" not in told
    assert "hush" not in told and "operator" not in told
    assert caught.value.__cause__ is None
    assert run.model.joinpath("manifest.json").exists()


def test_secrets_are_taken_out_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    uri = "https://me:p@ss@host:5000/path"
    assert public(uri) == "https://host:5000/path"
    assert without_secrets(uri, "GET https://me:p@ss@host: t0ken, p@ss") == (
        "GET https://...@host: ..., ..."
    )
