"""The window models by name, each with its usual settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ensemble import AutoEncoder
from .estimator import Estimator, Tensors
from .forest import IsolationForest
from .simple import KMeans, PrincipalComponents

NETWORKS: dict[str, dict[str, Any]] = {
    "autoencoder": {},
    "conv": {"coder": "conv"},
    "variational": {"variational": True},
    "autoencoder-graph": {"graph": True},
    "conv-graph": {"coder": "conv", "graph": True},
    "variational-graph": {"variational": True, "graph": True},
}
SIMPLE = ("pca", "kmeans", "isolation-forest")
NAMES = (*NETWORKS, *SIMPLE)


def make(
    name: str,
    *,
    seed: int = 0,
    epochs: int = 200,
    members: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Estimator:
    """The unfitted model of that name; ``options`` go to its class.

    ``epochs`` and ``members`` are of networks alone. ValueError where there is no such model, or
    it knows no such option.
    """
    given = dict(options or {})
    try:
        if name in NETWORKS:
            about = {"seed": seed, "epochs": epochs, "members": members}
            return AutoEncoder(**{**NETWORKS[name], **about, **given})
        if name == "pca":
            return PrincipalComponents(**given)
        if name == "kmeans":
            return KMeans(**{"seed": seed, **given})
        if name == "isolation-forest":
            return IsolationForest(**{"seed": seed, **given})
    except TypeError as error:
        raise ValueError(f"{name} does not know the options {', '.join(given)}") from error
    raise ValueError(f"{name!r} is no trace model; there are {', '.join(NAMES)}")


def read(name: str, params: Mapping[str, Any], tensors: Tensors) -> Estimator:
    """The fitted model of that name; ValueError where parameters and tensors make none."""
    return type(make(name)).from_tensors(params, tensors)
