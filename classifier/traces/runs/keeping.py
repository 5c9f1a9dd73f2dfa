"""A run model on disk: what was learned as JSON, numbers as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ... import artifact
from .arms import kinds
from .calibration import Calibration
from .combining import Standard
from .features import Plan
from .grouping import GroupScaling
from .table import Ask

if TYPE_CHECKING:
    from .model import RunModel

KIND = "runs"
VERSION = 1
_SEPARATOR = "/"  # between the part of the model and the tensor's own name


def write(directory: Path, model: RunModel) -> None:
    """Save a fitted model."""
    if model.scaling_ is None:
        raise ValueError("the run model is not fitted")
    learned = {
        "parameters": model.get_params(),
        "ask": asdict(model.ask_),
        "features": model.plan_.as_list(),
        "ignored": model.ignored_,
        "groups": model.scaling_.names,
        "learned_from": model.learned_from_,
        "arms": {name: arm.get_params() for name, arm in model.arms_.items()},
        "standards": {name: asdict(one) for name, one in model.standards_.items()},
    }
    parts = {"scaling": model.scaling_.tensors(), "calibration": model.calibration_.tensors()}
    parts |= {f"arm.{name}": arm.tensors() for name, arm in model.arms_.items()}
    tensors = {
        f"{part}{_SEPARATOR}{name}": np.ascontiguousarray(tensor)
        for part, named in parts.items()
        for name, tensor in named.items()
    }
    files = {
        "learned.json": json.dumps(learned).encode(),
        "tensors.safetensors": save_tensors(tensors),
    }
    artifact.write(directory, KIND, VERSION, files)


def read(directory: Path, maker: type[RunModel]) -> RunModel:
    """A saved model; ArtifactError where it is damaged or of another format."""
    files = artifact.read(directory, KIND, VERSION)
    try:
        learned = json.loads(files["learned.json"])
        return _model(learned, load_tensors(files["tensors.safetensors"]), maker)
    except (KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        raise artifact.ArtifactError(f"{directory}: damaged; train the model anew") from error


def _model(
    learned: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], maker: type[RunModel]
) -> RunModel:
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("not all numbers are finite")
    model = maker(**learned["parameters"])
    ask = learned["ask"]
    model.ask_ = Ask(ask["group"], ask["split"], ask["label"], tuple(ask["ignore"]))
    model.plan_ = Plan.of_list(learned["features"])
    model.ignored_ = dict(learned["ignored"])
    model.learned_from_ = str(learned["learned_from"])
    width = len(model.plan_.features)
    scaling = _part(tensors, "scaling")
    model.scaling_ = GroupScaling.from_tensors(learned["groups"], scaling, width)
    calibration = _part(tensors, "calibration")
    model.calibration_ = Calibration(calibration["scores"], calibration["codes"])
    for name in model.arms:
        own = _part(tensors, f"arm.{name}")
        model.arms_[name] = kinds.read(name, learned["arms"][name], own)
        model.standards_[name] = Standard(**learned["standards"][name])
    return model


def _part(tensors: Mapping[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    start = part + _SEPARATOR
    return {name[len(start) :]: one for name, one in tensors.items() if name.startswith(start)}
