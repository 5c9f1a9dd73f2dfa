"""Exporting a trained model for nodes: a signed NumPy archive that a scorer executes with NumPy.

The archive holds a list of layers in JSON, their weights, the scaling, and the scores of the
calibration. docs/edge-scorer.md has the format; jobs/sealing.py has the seal.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...jobs.sealing import MAX_MODEL_BYTES, seal
from ...jobs.windows import WindowLength
from .ensemble import AutoEncoder
from .estimator import Estimator, UnfittedError
from .forest import IsolationForest
from .model import TraceModel
from .normalise import Scaling
from .program import Program, of_forest, of_kmeans, of_network, of_principal_components
from .simple import KMeans, PrincipalComponents

HEADER = "header"
# A file in a zip has a time; the same model shall give the same bytes, and so the same version.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Exportable:
    """All that a node needs of a trained model; ``name`` is what people call it.

    ``calibrated`` has the scores of healthy runs, the mean over threads in the newest window of
    each, by type of job; ``""`` is all together.
    """

    estimator: Estimator
    scaling: Scaling
    length: WindowLength  # of the windows it reads
    features: tuple[str, ...]
    calibrated: Mapping[str, NDArray[np.float64]]
    name: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)  # JSON, for who reads the file


def of_trace_model(model: TraceModel) -> Exportable:
    """What nodes need of the brain's model: they score and judge as it does."""
    if model.scaling_ is None:
        raise UnfittedError
    return Exportable(
        estimator=model.model_,
        scaling=model.scaling_,
        length=model.length,
        features=model.features_,
        calibrated=model.calibration_.newest(),
        name=model.reconstruction,
        about={"members": model.members},
    )


def export(model: Exportable, key: bytes) -> bytes:
    """The sealed archive; ValueError for a model that nodes cannot execute or that is too large."""
    program = program_of(model.estimator, model.length.steps, len(model.features))
    kinds = sorted(model.calibrated)
    if "" not in kinds:
        raise ValueError('the calibration lacks "", the scores of all types together')
    header = {
        "model": model.name,
        "steps": model.length.steps,
        "step_seconds": model.length.step_seconds,
        "features": list(model.features),
        "layers": program.layers,
        "head": program.head,
        "calibration": {"statistic": "mean", "kinds": kinds},
        "about": dict(model.about),
    }
    arrays: dict[str, NDArray[Any]] = {
        HEADER: np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8),
        "scaling.median": model.scaling.median.astype(np.float32),
        "scaling.scale": model.scaling.scale.astype(np.float32),
        **{f"t.{name}": tensor for name, tensor in program.tensors.items()},
    }
    for place, kind in enumerate(kinds):
        arrays[f"calibration.{place}"] = np.sort(model.calibrated[kind]).astype(np.float64)
    data = seal(_archive(arrays), key)
    if len(data) > MAX_MODEL_BYTES:
        raise ValueError(
            f"the exported model has {len(data)} bytes, agents read {MAX_MODEL_BYTES}; "
            "train one with fewer members or smaller layers"
        )
    return data


def program_of(estimator: Estimator, steps: int, features: int) -> Program:
    """The layers that execute an estimator; ValueError for one that nodes do not know."""
    if isinstance(estimator, AutoEncoder):
        return of_network(estimator)
    if isinstance(estimator, PrincipalComponents):
        return of_principal_components(estimator)
    if isinstance(estimator, KMeans):
        return of_kmeans(estimator)
    if isinstance(estimator, IsolationForest):
        return of_forest(estimator)
    raise ValueError(f"{type(estimator).__name__} cannot be executed on nodes")


def _archive(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An npz of the arrays, in the order of their names and without times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _NO_TIME), "w") as file:
                array = np.ascontiguousarray(arrays[name])
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()
