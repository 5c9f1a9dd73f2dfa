"""Synthetic trace windows, healthy and ailing: waves of CPU use with phases of I/O."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.random import Generator

from jobmend.classifier.traces.normalise import Floats
from jobmend.jobs.windows import FEATURES, TraceWindow

STEPS = 32
AILMENTS = ("hang", "cpu contention", "io contention")
_INDEX = {name: index for index, name in enumerate(FEATURES)}


def window(rng: Generator, run: str, threads: int = 2, ailment: str = "") -> TraceWindow:
    """A window of ``threads`` that ``run`` owns, and one more thread that nobody owns.

    A healthy thread computes in waves of its own period about its own level, and reads or writes
    for a while in two of five windows; ``ailment`` is empty or one of :data:`AILMENTS`, sets in
    somewhere in the first two thirds and may be slight.
    """
    values = np.full((threads + 1, STEPS, len(FEATURES)), np.nan, dtype=np.float32)
    for thread in range(threads):
        values[thread] = _healthy(rng)
        _ail(rng, values[thread], ailment)
    values[threads, :, : _INDEX["job_cpu"]] = rng.uniform(0, 0.02, (STEPS, _INDEX["job_cpu"]))
    return TraceWindow(
        node="synthetic",
        start=float(rng.integers(10**9)),
        step_seconds=1.0,
        threads=tuple(range(threads + 1)),
        owners=(*(run for _ in range(threads)), None),
        values=array("f", values.ravel().tolist()),
    )


def healthy_windows(rng: Generator, runs: int, per_run: int = 4) -> list[TraceWindow]:
    """``per_run`` healthy windows of each of ``runs`` runs."""
    return [window(rng, f"run-{run}") for run in range(runs) for _ in range(per_run)]


def _healthy(rng: Generator) -> Floats:
    values = np.abs(rng.normal(0, 0.01, (STEPS, len(FEATURES))))
    level, period, phase = rng.uniform(0.4, 0.9), rng.uniform(4, 20), rng.uniform(0, 6.3)
    wave = level + 0.15 * np.sin(2 * np.pi * np.arange(STEPS) / period + phase)
    busy = np.clip(wave + rng.normal(0, 0.04, STEPS), 0, 1)
    if rng.random() < 0.4:
        _read_or_write(rng, values, busy, rng.uniform(0.05, 0.3))
    values[:, _INDEX["user"]] = 0.93 * busy
    values[:, _INDEX["system"]] = 0.07 * busy
    values[:, _INDEX["job_cpu"]] = np.clip(busy + rng.normal(0, 0.02, STEPS), 0, 1)
    return np.asarray(values, dtype=np.float32)


def _read_or_write(rng: Generator, values: Floats, busy: Floats, share: float) -> None:
    begin, length = int(rng.integers(STEPS)), int(rng.integers(3, 10))
    during = slice(begin, begin + length)
    busy[during] *= 1.0 - 2 * share
    values[during, _INDEX["iowait"]] += share
    values[during, _INDEX["job_io_pressure"]] += share


def _ail(rng: Generator, values: Floats, ailment: str) -> None:
    after = slice(int(rng.integers(1, 2 * STEPS // 3)), None)
    busy = [_INDEX["user"], _INDEX["system"], _INDEX["job_cpu"]]
    strength = rng.uniform(0.05, 0.6)
    if ailment == "hang":
        values[after, busy] *= 0.02
    elif ailment == "cpu contention":
        values[after, _INDEX["job_cpu"]] *= 1.0 - strength
        values[after, _INDEX["job_cpu_pressure"]] += strength
    elif ailment == "io contention":
        values[after, busy] *= 1.0 - strength
        values[after, _INDEX["iowait"]] += strength / 2
        values[after, _INDEX["job_io_pressure"]] += strength
