"""What brain tests tell their brains: events in few words, and a scheduler that fits in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobmend.brain.config import BrainConfig, parse_config
from jobmend.jobs import wire
from jobmend.jobs.actions import Action
from jobmend.jobs.events import EventKind, JobEvent, JobFacts, Request
from jobmend.jobs.exits import Exit, posix_exit, slurm_exit
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.scheduler import Nodes, Step

NOW = 1_800_000_000.0

OK = posix_exit(0, None)
BUG = posix_exit(3, None)
TIMEOUT = slurm_exit("TIMEOUT", 0, None)
OOM = slurm_exit("OUT_OF_MEMORY", 0, 125)


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    time: float = NOW

    def __call__(self) -> float:
        return self.time


@dataclass
class MemoryScheduler:
    """A scheduler of one list of events. A repeated run gets the next number of its job.

    ``broken`` maps a job id to what executing a step on it raises.
    """

    name: str = "memory"
    events: list[JobEvent] = field(default_factory=list)
    executed: list[tuple[str, ...]] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    broken: dict[str, BaseException] = field(default_factory=dict)
    history_error: Exception | None = None
    told_nodes: Nodes = Nodes()
    nodes_asked: list[float] = field(default_factory=list)

    def history(self, since: float, until: float = math.inf) -> Iterable[JobEvent]:
        self.asked.append(since)
        if self.history_error is not None:
            raise self.history_error
        return [event for event in self.events if until == math.inf or since <= event.time < until]

    def nodes(self, since: float) -> Nodes:
        self.nodes_asked.append(since)
        return self.told_nodes

    def plan(self, action: Action, runs: Sequence[RunRecord]) -> list[Step]:
        return [
            Step((action.kind.value, record.run.key), f"{action.kind.value} {record.run.job_id}")
            for record in runs
        ]

    def execute(self, step: Step) -> tuple[Run, ...]:
        run = Run.from_key(step.argv[1])
        if run.job_id in self.broken:
            raise self.broken[run.job_id]
        self.executed.append(step.argv)
        if step.argv[0] in ("recover", "clone", "resubmit"):
            return (Run(run.cluster, run.scheduler, run.job_id, str(int(run.run) + 1)),)
        return ()


def run_of(job: int | str, number: int = 0) -> Run:
    return Run("c1", "memory", str(job), str(number))


def told(
    kind: str,
    job: int | str,
    *,
    number: int = 0,
    time: float = NOW,
    node: str = "",
    workflow: str = "w1",
    site: str = "s1",
    exit: Exit | None = None,
    name: str = "",
    user: str = "",
    parent: str = "",
) -> JobEvent:
    """An event of a job of ours; what a node tells carries no workflow and no site."""
    if node:
        workflow = site = ""
    known = JobFacts(
        workflow=workflow,
        site=site,
        name=name,
        user=user,
        parent=parent,
        request=Request() if node else Request(1.0, 1 << 30, 600.0),
    )
    return JobEvent(EventKind(kind), run_of(job, number), time, node, known, exit)


def ended(
    job: int | str,
    exit: Exit,
    *,
    number: int = 0,
    time: float = NOW - 100,
    workflow: str = "w1",
    site: str = "s1",
    parent: str = "",
) -> list[JobEvent]:
    """START and OUTCOME of a run as a scheduler's history has them."""

    def event(kind: str, time: float, exit: Exit | None = None) -> JobEvent:
        return told(
            kind,
            job,
            number=number,
            time=time,
            workflow=workflow,
            site=site,
            exit=exit,
            parent=parent,
        )

    return [event("start", time - 50), event("outcome", time, exit)]


def documents(*events: wire.Message) -> list[dict[str, object]]:
    """The events as decoded wire messages."""
    return [json.loads(wire.dumps(event)) for event in events]


def config_of(tmp_path: Path, **advice: float) -> BrainConfig:
    return parse_config(
        {
            "store": {
                "path": str(tmp_path / "brain.db"),
                "models": str(tmp_path / "models"),
                "archive": str(tmp_path / "archive"),
                "tokens": str(tmp_path / "tokens"),
            },
            "advice": {"settle_seconds": 30, "poll_seconds": 0.05, **advice},
        }
    )
