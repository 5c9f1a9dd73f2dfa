"""Healthy windows made ailing on purpose, so that models can be compared where few anomalies are
known (Goswami et al. 2023, "Unsupervised model selection for time-series anomaly detection").

What is done to a window follows from its key and the seed alone: all models see the same.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ....jobs.windows import TraceWindow

Floats = NDArray[np.float32]
Columns = Mapping[str, int]  # number of each feature
Harm = Callable[[Floats, Columns, Generator], None]

_BUSY = ("user", "system", "job_cpu")
_STOPPED = 0.02  # of what was computed before
_SLIGHT, _GRAVE = 0.1, 0.6  # strength: from hardly to be seen to plain


def draw(key: str, seed: int) -> Generator:
    """Chance that belongs to a window: the same for the same key and seed."""
    digest = hashlib.sha256(f"{seed}/{key}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def harmed(window: TraceWindow, seed: int) -> tuple[str, TraceWindow]:
    """The name of a harm of :data:`HARMS`, and the window with it done to one of its runs.

    ValueError where no run owns a thread. What was not measured stays so.
    """
    rng = draw(window.key, seed)
    owners = sorted({owner for owner in window.owners if owner is not None})
    if not owners:
        raise ValueError(f"window {window.key}: nobody owns a thread of it")
    name = list(HARMS)[int(rng.integers(len(HARMS)))]
    run = owners[int(rng.integers(len(owners)))]
    places = [place for place, owner in enumerate(window.owners) if owner == run]
    values = np.frombuffer(window.values, np.float32).reshape(window.shape).copy()
    of_run = values[places]
    HARMS[name](of_run, {feature: i for i, feature in enumerate(window.features)}, rng)
    values[places] = np.maximum(of_run, 0.0)
    return name, replace(window, values=array("f", values.tobytes()))


def _busy(columns: Columns) -> list[int]:
    """The columns of computing; all where there are none of them."""
    found = [columns[name] for name in _BUSY if name in columns]
    return found or list(columns.values())


def _after(values: Floats, rng: Generator) -> slice:
    """From a step in the first two thirds to the end."""
    return slice(int(rng.integers(max(1, 2 * values.shape[1] // 3))), None)


def _scale(values: Floats, after: slice, columns: Sequence[int], times: float) -> None:
    for column in columns:
        values[:, after, column] *= times


def _raise(values: Floats, after: slice, columns: Columns, names: Sequence[str], by: float) -> None:
    """Add to shares, which end at 1."""
    for name in names:
        if name in columns:
            part = values[:, after, columns[name]]
            values[:, after, columns[name]] = np.minimum(part + by, np.maximum(part, 1.0))


def _strength(rng: Generator) -> float:
    return float(rng.uniform(_SLIGHT, _GRAVE))


def _hang(values: Floats, columns: Columns, rng: Generator) -> None:
    _scale(values, _after(values, rng), _busy(columns), _STOPPED)


def _idle_thread(values: Floats, columns: Columns, rng: Generator) -> None:
    """One of the threads does nothing, as when a rank died and the others go on."""
    one = int(rng.integers(len(values)))
    _scale(values[one : one + 1], slice(None), _busy(columns), _STOPPED)


def _cpu_contention(values: Floats, columns: Columns, rng: Generator) -> None:
    after, share = _after(values, rng), _strength(rng)
    _scale(values, after, [columns.get("job_cpu", _busy(columns)[0])], 1.0 - share)
    _raise(values, after, columns, ("job_cpu_pressure",), share)


def _io_contention(values: Floats, columns: Columns, rng: Generator) -> None:
    after, share = _after(values, rng), _strength(rng)
    _scale(values, after, _busy(columns), 1.0 - share)
    _raise(values, after, columns, ("iowait",), share / 2)
    _raise(values, after, columns, ("job_io_pressure",), share)


def _memory_pressure(values: Floats, columns: Columns, rng: Generator) -> None:
    after, share = _after(values, rng), _strength(rng)
    _scale(values, after, _busy(columns), 1.0 - share / 2)
    _raise(values, after, columns, ("system",), share / 4)
    _raise(values, after, columns, ("job_memory_pressure",), share)


def _noise(values: Floats, columns: Columns, rng: Generator) -> None:
    for column in _busy(columns):
        factor = 1.0 + rng.normal(0.0, _strength(rng), values.shape[1])
        values[:, :, column] *= np.abs(factor).astype(np.float32)


def _shuffle(values: Floats, columns: Columns, rng: Generator) -> None:
    """The same numbers in another order: only models that look at time can tell."""
    values[:] = values[:, rng.permutation(values.shape[1])]


HARMS: Final[Mapping[str, Harm]] = {
    "hang": _hang,
    "idle thread": _idle_thread,
    "cpu contention": _cpu_contention,
    "io contention": _io_contention,
    "memory pressure": _memory_pressure,
    "noise": _noise,
    "shuffle": _shuffle,
}
