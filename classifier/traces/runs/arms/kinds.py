"""The arms by name, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .arm import Arm, Tensors
from .deep import DeepEncoder
from .forest import IsolationForest
from .means import NearestMean
from .quadratic import Quadratic
from .robust import RobustDistance

MAKERS: Mapping[str, Callable[[int], Arm]] = {
    "robust": lambda seed: RobustDistance(),
    "mahalanobis": lambda seed: Quadratic(form="mahalanobis"),
    "pca": lambda seed: Quadratic(form="pca", by_group=False),
    "pca_by_group": lambda seed: Quadratic(form="pca"),
    "kmeans": lambda seed: NearestMean(seed=seed),
    "isolation_forest": lambda seed: IsolationForest(seed=seed),
    "autoencoder": lambda seed: DeepEncoder(seed=seed),
    "variational": lambda seed: DeepEncoder(variational=True, seed=seed),
}
_READERS: Mapping[str, type[Any]] = {
    "robust": RobustDistance,
    "mahalanobis": Quadratic,
    "pca": Quadratic,
    "pca_by_group": Quadratic,
    "kmeans": NearestMean,
    "isolation_forest": IsolationForest,
    "autoencoder": DeepEncoder,
    "variational": DeepEncoder,
}


def make(name: str, seed: int) -> Arm:
    """An arm that has learned nothing yet; ValueError where ``name`` is none."""
    if name not in MAKERS:
        raise ValueError(f"{name!r} is no arm; there are {', '.join(MAKERS)}")
    return MAKERS[name](seed)


def read(name: str, params: Mapping[str, Any], tensors: Tensors) -> Arm:
    """A fitted arm again; KeyError, TypeError or ValueError where it is damaged."""
    arm: Arm = _READERS[name].from_tensors(params, tensors)
    return arm
