"""Made-up windows for archives."""

from __future__ import annotations

from array import array

import numpy as np

from jobmend.jobs.windows import FEATURES, TraceWindow

NOON = 1_795_262_400.0  # noon of a day, UTC
DAY = 86400.0


def window(
    start: float,
    *,
    node: str = "n1",
    threads: int = 2,
    steps: int = 4,
    owner: str = "c1/slurm/7/0",
    features: tuple[str, ...] = FEATURES,
) -> TraceWindow:
    """Values all differ, but for NaN in the last feature; the last thread is nobody's."""
    shape = (threads, steps, len(features))
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 7
    values[..., -1] = np.nan
    owners = (*[owner] * (threads - 1), None)
    flat = array("f", values.tobytes())
    return TraceWindow(node, start, 0.5, tuple(range(threads)), owners, flat, features)


def told(windows: object) -> list[tuple[object, ...]]:
    """What windows say, comparable where numbers are NaN."""
    assert hasattr(windows, "__iter__")
    return [
        (one.key, one.node, one.start, one.step_seconds, one.threads, one.owners, one.features)
        + (one.to_bytes(),)
        for one in windows
    ]
