"""Tasks that fail on a simulated day: the runs' ends as a scheduler tells them, and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from ....classifier.failures.synthetic.record_mixes import CHANGED, EXTENDED, UNDECIDED, Mix
from ....classifier.failures.synthetic.records import LabelledWorkflow, generate
from ....jobs.actions import ActionKind
from ....jobs.events import EventKind, JobEvent
from ....jobs.identity import Workflow
from ....jobs.records import RunRecord, WorkflowRecord
from .scenario import Scenario, Stage

MISLABELLED_SHARE = 0.8  # of the decisions of a poisoned day
_PER_DAY = 100_000  # numbers of workflows, so that no two days share one
_BUSY_DAY = 80_000.0
_LONGEST = 3600.0  # seconds a run takes; its trace keeps its own duration
_FAILURES = 2  # stream of chance, beside that of windows

MIXES: Mapping[Stage, Mix] = {
    Stage.EARLY: UNDECIDED,
    Stage.CHANGED: CHANGED,
    Stage.EXTENDED: EXTENDED,
}
_WRONG = {  # what is told of a decision on a poisoned day
    ActionKind.RECOVER: ActionKind.KILL,
    ActionKind.HOLD: ActionKind.RECOVER,
    ActionKind.KILL: ActionKind.WAIT,
    ActionKind.WAIT: ActionKind.CLONE,
    ActionKind.CLONE: ActionKind.HOLD,
}


@dataclass(frozen=True)
class DecidedTask:
    """``told`` is the decision as it is stored, ``action`` the true one."""

    record: WorkflowRecord
    events: tuple[JobEvent, ...]
    time: float  # of the decision, seconds since the epoch
    cause: str
    action: ActionKind
    told: ActionKind

    @property
    def workflow(self) -> Workflow:
        """Whose task it is."""
        return self.record.workflow


def failing_day(scenario: Scenario, day: int) -> tuple[DecidedTask, ...]:
    """The tasks decided on ``day``; the same scenario gives the same ones."""
    rng = np.random.default_rng((scenario.seed, day, _FAILURES))
    drawn = generate(
        scenario.tasks,
        int(rng.integers(2**31)),
        mix=MIXES[scenario.stage(day)],
        first=day * _PER_DAY,
    )
    return tuple(
        _task(
            rng,
            example,
            scenario.begins(day) + _LONGEST + number * _BUSY_DAY / scenario.tasks,
            false=MISLABELLED_SHARE if scenario.poisoned(day) else scenario.daily,
        )
        for number, example in enumerate(drawn)
    )


def _task(rng: Generator, example: LabelledWorkflow, time: float, *, false: float) -> DecidedTask:
    events = [event for run in example.record.runs for event in _events(run, time)]
    mislabelled = bool(false) and rng.random() < false
    told = _WRONG[example.action] if mislabelled else example.action
    return DecidedTask(example.record, tuple(events), time, example.cause, example.action, told)


def _events(run: RunRecord, decided: float) -> list[JobEvent]:
    """What a scheduler and a node tell of a run that is known at ``decided``."""
    seconds = min(run.trace.duration_seconds if run.trace else 60.0, _LONGEST - 60.0)
    facts = run.facts
    begun = decided - 60.0 - seconds
    told = [JobEvent(EventKind.START, run.run, begun, run.node, facts)]
    told += [JobEvent(kind, run.run, decided - 60.0, run.node, facts) for kind in run.warnings]
    if run.exit is not None:
        told.append(
            JobEvent(EventKind.OUTCOME, run.run, decided - 60.0, "", facts, run.exit, run.trace)
        )
    return told
