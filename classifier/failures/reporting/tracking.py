"""Trainings in MLflow: what went in, what came out, and the model as one that MLflow can load.

Models are kept as code and data (MLflow's models from code), so no pickle is written or read.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType

from ... import flavours, tracking

EXPERIMENT = "jobmend failures"
REPORT = "report.html"

_NOTHING: Mapping[str, str] = MappingProxyType({})


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


def log_run(tracking_uri: str, run: Run, experiment: str = EXPERIMENT) -> Logged:
    """Log ``run``; TrackingError where the server or the folder is not there or says no."""
    cure = "the model is kept, mend the address or the server and train again to log it"
    with tracking.reached(tracking_uri, "the training was not logged", cure) as mlflow:
        number = tracking.experiment(mlflow, tracking_uri, experiment)
        name = tracking.value(run.name)
        with mlflow.start_run(experiment_id=number, run_name=name) as active:
            _describe(mlflow, run)
            model = flavours.log_model(mlflow, flavours.FAILURES, run.model, run.example)
        return Logged(active.info.run_id, f"models:/{model}")


def _describe(mlflow: ModuleType, run: Run) -> None:
    """All of the run but the model."""
    key, value = tracking.key, tracking.value
    mlflow.log_params({key(name): value(told) for name, told in run.params.items()})
    mlflow.log_metrics({key(k): float(v) for k, v in run.metrics.items() if math.isfinite(v)})
    mlflow.set_tags({key(name): value(told) for name, told in run.tags.items()})
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
