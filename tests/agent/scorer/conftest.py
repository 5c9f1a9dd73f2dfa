"""Small trained models of each kind, and what nodes get of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobmend.agent.scorer import archive
from jobmend.agent.scorer.model import EdgeModel
from jobmend.classifier.traces import kinds
from jobmend.classifier.traces.estimator import Estimator
from jobmend.classifier.traces.export import Exportable, export
from jobmend.classifier.traces.normalise import Scaling
from jobmend.jobs.windows import FEATURES, WindowLength

KEY = b"a key of the site"
OPTIONS = {"kmeans": {"clusters": 5}, "isolation-forest": {"trees": 12}}

Windows = NDArray[np.float32]


def drawn(windows: int, threads: int, steps: int = 8, *, seed: int = 0) -> Windows:
    """Windows with gaps: numbers that were not measured, and threads without any."""
    random = np.random.default_rng(seed)
    values = random.gamma(1.0, 0.3, (windows, threads, steps, len(FEATURES))).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    values[random.random(values.shape[:2]) < 0.1] = np.nan
    return values


def exportable(
    name: str, *, steps: int = 8, step_seconds: float = 1.0, **options: Any
) -> Exportable:
    """A model of that kind, trained a little."""
    windows = drawn(12, 4, steps)
    scaling = Scaling.learn(windows.reshape(-1, steps, len(FEATURES)))
    given = {**OPTIONS.get(name, {}), **options}
    members = given.pop("members", 1)
    estimator: Estimator = kinds.make(name, epochs=2, members=members, options=given)
    scaled, mask = scaling.apply(windows)
    estimator.fit(scaled, mask)
    scores = estimator.score_samples(scaled, mask)
    kept = np.sort(scores[np.isfinite(scores)])
    return Exportable(
        estimator, scaling, WindowLength(steps, step_seconds), FEATURES, {"": kept}, name
    )


def edge(model: Exportable) -> EdgeModel:
    """The same model as nodes have it."""
    return EdgeModel(archive.read(export(model, KEY), KEY))


@pytest.fixture(scope="session")
def sealed() -> bytes:
    """An exported model."""
    return export(exportable("pca"), KEY)


@pytest.fixture(scope="session")
def make() -> Callable[..., Exportable]:
    return exportable
