"""Synthetic windows of a cluster whose jobs have types; for simulations, never to train a brain.

Each type of job uses the machine in its own way (:data:`TYPES`); what ails a job
(:data:`AILMENTS`) sets in within the window. The numbers are judgements: they make the types differ
as much as types of real jobs do in shares of user, system and waiting time, no more.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from ...jobs.windows import FEATURES, TraceWindow
from .normalise import Floats

STEPS = 32
STEP_SECONDS = 1.0
_INDEX = {name: index for index, name in enumerate(FEATURES)}
_NOISE = 0.015
_BUSY = ("user", "system", "job_cpu")
Range = tuple[float, float]  # drawn anew for each window


@dataclass(frozen=True)
class JobType:
    """How a type of job uses a hardware thread; shares of a step.

    ``level`` is busy time, ``swing`` the amplitude of its waves and ``period`` their length in
    steps; ``system`` is the kernel's share of busy time. ``waits`` are the levels of other
    features: they swing by a third with the same waves, or come and go in a share ``bursts`` of the
    steps, which no model can foresee.
    """

    level: Range
    period: Range
    swing: float = 0.1
    system: float = 0.07
    waits: Mapping[str, Range] = field(default_factory=dict)
    bursts: float = 1.0


TYPES: Mapping[str, JobType] = {
    "fit": JobType((0.7, 0.95), (15, 17)),
    "mpi": JobType((0.5, 0.8), (8, 9), swing=0.15, system=0.15),
    "stream": JobType((0.5, 0.75), (15, 17), waits={"iowait": (0.0, 0.02)}),
    "scatter": JobType(
        (0.4, 0.7),
        (10, 11),
        system=0.12,
        waits={"iowait": (0.2, 0.35), "job_io_pressure": (0.2, 0.35)},
        bursts=0.4,
    ),
    "cache": JobType(
        (0.55, 0.8), (12, 13), system=0.10, waits={"job_memory_pressure": (0.02, 0.05)}
    ),
    "serve": JobType(
        (0.3, 0.5),
        (5, 6),
        swing=0.2,
        system=0.45,
        waits={"irq": (0.1, 0.2), "job_cpu_pressure": (0.1, 0.2)},
    ),
}

# The same types after a change of software, which brings interrupts and waiting for the CPU and for
# memory: less than what an ailment brings, and less than what the bursts of some jobs do.
LATER: Mapping[str, JobType] = {
    **TYPES,
    "fit": JobType(
        (0.65, 0.9),
        (15, 17),
        system=0.1,
        waits={"job_memory_pressure": (0.04, 0.09), "irq": (0.02, 0.06)},
    ),
    "mpi": JobType(
        (0.45, 0.75),
        (8, 9),
        swing=0.15,
        system=0.18,
        waits={"job_cpu_pressure": (0.05, 0.12)},
    ),
}

AILMENTS = ("hang", "throttled", "swapping", "storm")


def window(
    rng: Generator,
    job: JobType,
    run: str,
    *,
    node: str,
    start: float,
    threads: int = 2,
    ailment: str = "",
    strength: Range = (0.1, 0.6),
) -> TraceWindow:
    """A window of ``threads`` that ``run`` owns, and one more that nobody owns.

    ``ailment`` is empty or one of :data:`AILMENTS`, ``strength`` how much of each step it takes;
    ValueError where it is another word.
    """
    if ailment and ailment not in AILMENTS:
        raise ValueError(f"{ailment!r} is no synthetic ailment; there are {', '.join(AILMENTS)}")
    values = np.full((threads + 1, STEPS, len(FEATURES)), np.nan, dtype=np.float32)
    onset = int(rng.integers(1, STEPS // 2))
    taken = float(rng.uniform(*strength))
    for thread in range(threads):
        values[thread] = _healthy(rng, job)
        _ail(rng, values[thread, onset:], ailment, taken)
    values[threads, :, : _INDEX["job_cpu"]] = rng.uniform(0, 0.02, (STEPS, _INDEX["job_cpu"]))
    return TraceWindow(
        node=node,
        start=start,
        step_seconds=STEP_SECONDS,
        threads=tuple(range(threads + 1)),
        owners=(*(run for _ in range(threads)), None),
        values=array("f", values.ravel().tolist()),
    )


def _healthy(rng: Generator, job: JobType) -> Floats:
    values = np.abs(rng.normal(0, _NOISE / 2, (STEPS, len(FEATURES))))
    wave = np.sin(2 * np.pi * (np.arange(STEPS) / rng.uniform(*job.period) + rng.uniform()))
    for name, level in job.waits.items():
        shape = rng.random(STEPS) < job.bursts if job.bursts < 1 else 1.0 + wave / 3
        values[:, _INDEX[name]] += rng.uniform(*level) * shape
    noise = rng.normal(0, _NOISE, (2, STEPS))
    busy = np.clip(rng.uniform(*job.level) + job.swing * wave + noise[0], 0.0, 1.0)
    values[:, _INDEX["user"]] = (1.0 - job.system) * busy
    values[:, _INDEX["system"]] = job.system * busy
    values[:, _INDEX["job_cpu"]] = np.clip(busy + noise[1], 0, 1)
    return np.asarray(values, dtype=np.float32)


def _ail(rng: Generator, values: Floats, ailment: str, strength: float) -> None:
    """Change the steps ``values`` in place."""
    busy = [_INDEX[name] for name in _BUSY]
    if ailment == "hang":
        values[:, busy] *= 0.03
    elif ailment == "throttled":
        values[:, busy] *= 1.0 - strength
        values[:, _INDEX["job_cpu_pressure"]] += strength
    elif ailment == "swapping":
        values[:, busy] *= 1.0 - strength
        values[:, _INDEX["job_memory_pressure"]] += strength
        values[:, _INDEX["iowait"]] += strength * rng.uniform(0.3, 0.6)
    elif ailment == "storm":
        taken = strength * values[:, _INDEX["user"]]
        values[:, _INDEX["user"]] -= taken
        values[:, _INDEX["system"]] += taken
        values[:, _INDEX["irq"]] += 0.1 * strength
