"""Trainings in MLflow: what went in, what came out, and the model as one that MLflow can load.

Nothing is sent but to the tracking server that is named; MLflow's own telemetry is off. Models are
kept as code and data (MLflow's models from code), so no pickle is written or read.
"""

from __future__ import annotations

import logging
import math
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from urllib.parse import urlsplit

from ....jobs.text import printable

EXPERIMENT = "jobmend failures"
MODEL = "model"  # name of the logged model
REPORT = "report.html"
SCRIPT = Path(__file__).with_name("pyfunc.py")
MAX_VALUE = 500  # characters of a parameter or tag
_SQLITE = "sqlite:///"

# Asked for where nobody said otherwise: an unreachable server is told in seconds, not minutes.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",  # no words where git is not installed
}

_NOTHING: Mapping[str, str] = MappingProxyType({})


class TrackingError(Exception):
    """A training that could not be logged; the message says where and why, without secrets."""


@dataclass(frozen=True)
class Run:
    """What is logged of one training.

    ``metrics`` that are not finite are left out. ``example`` is the CMS JSON of one task, the
    input example of the model. ``pictures`` are PNGs by file name.
    """

    name: str
    model: Path  # a directory that FailureClassifier.save() wrote
    example: str
    digest: str  # of the history, see :mod:`..history.digest`
    params: Mapping[str, object]
    metrics: Mapping[str, float]
    report: bytes
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True)
class Logged:
    """Where a training is found again."""

    run_id: str
    model_uri: str


def default_uri(models: Path) -> str:
    """The embedded store: an SQLite file in the models' folder, artifacts beside it."""
    return f"{_SQLITE}{models.absolute() / 'mlflow.db'}"


def log_run(tracking_uri: str, run: Run, experiment: str = EXPERIMENT) -> Logged:
    """Log ``run``; TrackingError where the server or the folder is not there or says no."""
    mlflow = _mlflow()
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _tracking(mlflow, tracking_uri), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about type hints of the model's code
            number = _experiment(mlflow, tracking_uri, experiment)
            with mlflow.start_run(experiment_id=number, run_name=printable(run.name)) as active:
                _describe(mlflow, run)
                uri = _log_model(mlflow, run)
            return Logged(active.info.run_id, uri)
    except (mlflow.exceptions.MlflowException, SQLAlchemyError, OSError) as error:
        reason = without_secrets(tracking_uri, str(error).partition("\n")[0])
        # Without the cause: its text may hold the address with a password.
        raise TrackingError(
            f"the training was not logged: MLflow at {public(tracking_uri)} said: {reason}; "
            "the model is kept, mend the address or the server and train again to log it"
        ) from None


def public(tracking_uri: str) -> str:
    """The address without user and password."""
    return printable(re.sub(r"://[^/]*@", "://", tracking_uri))


def without_secrets(tracking_uri: str, text: str) -> str:
    """``text`` without the user and the password of the address and of MLflow's variables."""
    secrets = [urlsplit(tracking_uri).netloc.rpartition("@")[0], urlsplit(tracking_uri).password]
    secrets += [os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("PASSWORD", "TOKEN")]
    for secret in filter(None, secrets):
        text = text.replace(secret, "...")
    return printable(text, 240)


def _mlflow() -> ModuleType:
    """MLflow, with telemetry off from the first import on."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.data.meta_dataset
    import mlflow.pyfunc

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every table it makes
    module: ModuleType = mlflow
    return module


@contextmanager
def _tracking(mlflow: ModuleType, uri: str) -> Iterator[None]:
    """MLflow's address is a setting of the process; it is put back."""
    before = mlflow.get_tracking_uri()
    if uri.startswith(_SQLITE):
        Path(uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _experiment(mlflow: ModuleType, uri: str, name: str) -> str:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    place = None  # a server knows its own
    if uri.startswith(_SQLITE):
        place = Path(uri.removeprefix(_SQLITE)).with_name("mlruns").absolute().as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _describe(mlflow: ModuleType, run: Run) -> None:
    """All of the run but the model."""
    mlflow.log_params({_key(k): printable(str(v), MAX_VALUE) for k, v in run.params.items()})
    mlflow.log_metrics({_key(k): float(v) for k, v in run.metrics.items() if math.isfinite(v)})
    mlflow.set_tags({_key(k): printable(v, MAX_VALUE) for k, v in run.tags.items()})
    mlflow.set_tag("data.sha256", run.digest)
    source = mlflow.data.code_dataset_source.CodeDatasetSource(tags={})
    history = mlflow.data.meta_dataset.MetaDataset(source, name="history", digest=run.digest[:36])
    mlflow.log_input(history, context="training")
    with tempfile.TemporaryDirectory(prefix="jobmend-run-") as name:
        folder = Path(name)
        folder.joinpath(REPORT).write_bytes(run.report)
        pictures = folder / "plots"
        pictures.mkdir()
        for file, data in run.pictures.items():
            pictures.joinpath(Path(file).name).write_bytes(data)
        mlflow.log_artifacts(name)


def _key(name: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)[:200]


def _log_model(mlflow: ModuleType, run: Run) -> str:
    import pandas
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from .pyfunc_columns import COLUMNS, INPUT

    types = {"string": DataType.string, "double": DataType.double}
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, INPUT)]),
        outputs=Schema([ColSpec(types[kind], name) for name, kind in COLUMNS.items()]),
    )
    with tempfile.TemporaryDirectory(prefix="jobmend-model-") as name:
        folder = Path(name, "failures")
        shutil.copytree(run.model, folder)
        info = mlflow.pyfunc.log_model(
            name=MODEL,
            python_model=str(SCRIPT),
            artifacts={"failures": str(folder)},
            signature=signature,
            input_example=pandas.DataFrame({INPUT: [run.example]}),
            pip_requirements=["jobmend[brain]"],
        )
    return str(info.model_uri)
