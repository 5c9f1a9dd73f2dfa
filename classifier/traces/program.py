"""A trained model as the list of layers that executes it: what is written into an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .conv import QUARTER
from .ensemble import AutoEncoder
from .estimator import UnfittedError
from .forest import IsolationForest
from .simple import KMeans, PrincipalComponents

Layers = list[dict[str, Any]]
ERROR, FOREST = "error", "forest"  # how scores come about: of what the layers put together, or not


@dataclass(frozen=True)
class Program:
    """Layers in their order, and the arrays they name; ``head`` says what follows."""

    layers: Layers
    tensors: Mapping[str, NDArray[Any]]
    head: str = ERROR


def of_network(model: AutoEncoder) -> Program:
    """Encoder, the means of a variational one, graph layer where there is one, decoder."""
    if model.network_ is None or not model.weights_:
        raise UnfittedError
    a = model.network_.architecture
    layers = _conv_encoder(a.steps) if a.coder == "conv" else _dense("encode")
    if a.variational:
        layers.append({"op": "first", "count": a.latent})
    if a.graph:
        layers.append({"op": "graph", "heads": a.heads})
    layers += _conv_decoder(a.steps) if a.coder == "conv" else _dense("decode")
    return Program(layers, dict(model.weights_))


def _dense(part: str) -> Layers:
    return [_linear(f"{part}.0"), {"op": "relu"}, _linear(f"{part}.1")]


def _conv_encoder(steps: int) -> Layers:
    return [
        {"op": "fold", "steps": steps, "to": _filled(steps)},
        {"op": "halve", "name": "encode.0"},
        {"op": "relu"},
        {"op": "halve", "name": "encode.1"},
        {"op": "relu"},
        {"op": "flat", "steps": _filled(steps) // QUARTER},
        _linear("encode.2"),
    ]


def _conv_decoder(steps: int) -> Layers:
    quarter = _filled(steps) // QUARTER
    return [
        _linear("decode.0"),
        {"op": "relu"},
        {"op": "fold", "steps": quarter, "to": quarter},
        {"op": "double", "name": "decode.1"},
        {"op": "relu"},
        {"op": "double", "name": "decode.2"},
        {"op": "flat", "steps": steps},
    ]


def _filled(steps: int) -> int:
    """Steps of a window, filled up to what can be halved."""
    return -(-steps // QUARTER) * QUARTER


def _linear(name: str) -> dict[str, Any]:
    return {"op": "linear", "name": name}


def of_principal_components(model: PrincipalComponents) -> Program:
    """Centre, project, and back: components as two matrices of one member."""
    learned = _learned(model.learned_)
    mean, components = learned["mean"], learned["components"]
    tensors = {
        "pca.mean": mean,
        "project.weight": components.T[None],
        "back.weight": components[None],
        "back.bias": mean[None, None],
    }
    layers: Layers = [{"op": "centre", "name": "pca"}, _linear("project"), _linear("back")]
    return Program(layers, tensors)


def of_kmeans(model: KMeans) -> Program:
    """The nearest centre."""
    tensors = {"kmeans.centres": _learned(model.learned_)["centres"]}
    return Program([{"op": "nearest", "name": "kmeans"}], tensors)


def of_forest(model: IsolationForest) -> Program:
    """No layer: the nodes of all trees."""
    return Program([], dict(_learned(model.learned_)), FOREST)


def _learned(learned: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    if not learned:
        raise UnfittedError
    return {name: np.ascontiguousarray(array) for name, array in learned.items()}
