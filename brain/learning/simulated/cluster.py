"""Windows of a simulated day, the runs they belong to, and which of them truly ail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from ....classifier.traces.synthetic_cluster import AILMENTS, LATER, TYPES, JobType, window
from ....jobs.events import EventKind, JobEvent, JobFacts
from ....jobs.exits import Exit, ExitKind, posix_exit
from ....jobs.identity import Run
from ....jobs.windows import TraceWindow
from .scenario import Scenario, Stage

CLUSTER, SCHEDULER = "simulated", "local"
POISONED_SHARE = 0.8  # of the runs of a poisoned day that ail and are told as healthy
POISONED_STRENGTH, USUAL_STRENGTH = (0.6, 0.9), (0.1, 0.6)
POISONED_AILMENTS = ("throttled", "swapping")
_BUSY_DAY = 80_000.0  # seconds in which runs start, so that all end on the same day
_RUN_SECONDS = 3600.0
_TRACES = 1  # stream of chance, beside that of failing tasks

MIXES: Mapping[Stage, Mapping[str, float]] = {
    Stage.EARLY: {"fit": 0.36, "mpi": 0.26, "stream": 0.18, "scatter": 0.15, "cache": 0.05},
    Stage.CHANGED: {"fit": 0.28, "mpi": 0.25, "stream": 0.1, "scatter": 0.09, "cache": 0.28},
    Stage.EXTENDED: {
        "fit": 0.26,
        "mpi": 0.23,
        "stream": 0.1,
        "scatter": 0.09,
        "cache": 0.25,
        "serve": 0.07,
    },
}


@dataclass(frozen=True)
class TracedDay:
    """``ailing`` are the keys of the windows that truly ail, whatever is told of their runs."""

    windows: tuple[TraceWindow, ...]
    events: tuple[JobEvent, ...]
    ailing: frozenset[str]


def traced_day(scenario: Scenario, day: int) -> TracedDay:
    """The windows of ``day``; the same scenario gives the same ones."""
    rng = np.random.default_rng((scenario.seed, day, _TRACES))
    windows: list[TraceWindow] = []
    events: list[JobEvent] = []
    ailing: set[str] = set()
    strength = POISONED_STRENGTH if scenario.poisoned(day) else USUAL_STRENGTH
    for number in range(scenario.runs):
        ailment, failed = _fate(rng, scenario, day)
        name, job = _drawn(rng, scenario.stage(day))
        run = Run(CLUSTER, SCHEDULER, f"{day}-{number}", "0")
        start = scenario.begins(day) + (number + float(rng.random())) * _BUSY_DAY / scenario.runs
        node = f"node{int(rng.integers(scenario.nodes)) + 1}"
        events += _events(run, name, node, start, failed=failed)
        for part in range(scenario.windows):
            at = start + (part + 0.5) * _RUN_SECONDS / scenario.windows
            one = window(rng, job, run.key, node=node, start=at, ailment=ailment, strength=strength)
            windows.append(one)
            ailing.update([one.key] if ailment else [])
    windows.sort(key=lambda one: one.start)
    return TracedDay(tuple(windows), tuple(events), frozenset(ailing))


def _fate(rng: Generator, scenario: Scenario, day: int) -> tuple[str, bool]:
    """What ails a run, empty where nothing does, and whether it is told as failed."""
    poisoned = scenario.poisoned(day)
    ails = rng.random() < (POISONED_SHARE if poisoned else scenario.ailing)
    false = scenario.daily / scenario.ailing if scenario.daily else 0.0
    hidden = poisoned or rng.random() < scenario.hidden + false
    ailment = str(rng.choice(POISONED_AILMENTS if poisoned else AILMENTS))
    return (ailment, not hidden) if ails else ("", False)


def _drawn(rng: Generator, stage: Stage) -> tuple[str, JobType]:
    mix = MIXES[stage]
    name = str(rng.choice(list(mix), p=list(mix.values())))
    return name, (TYPES if stage is Stage.EARLY else LATER)[name]


def _events(run: Run, workflow: str, node: str, start: float, *, failed: bool) -> list[JobEvent]:
    facts = JobFacts(workflow=workflow, site=CLUSTER)
    end = Exit("posix", ExitKind.TIMEOUT) if failed else posix_exit(0, None)
    return [
        JobEvent(EventKind.START, run, start, node, facts),
        JobEvent(EventKind.OUTCOME, run, start + _RUN_SECONDS, "", facts, end),
    ]
