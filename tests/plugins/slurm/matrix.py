"""How jobs are made to end on a real Slurm, and what the hooks, sacct and jobmend say of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmend.agent.registry import Registry, Rules
from jobmend.brain.runs import view
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

HOG = "python3 -c 'x = bytearray(200 * 2**20); import time; time.sleep(2)'"
LONG = "sleep 300"
LONG_ONCE = f'[ -n "$SLURM_RESTART_COUNT" ] || {LONG}'
FAILS_ONCE = '[ -n "$SLURM_RESTART_COUNT" ] || exit 3'

# sacct's State up to a blank, its ExitCode, and the key of our exit: one for each run.
End = tuple[str, str, str]
_GOOD: End = ("COMPLETED", "0:0", "exit:0")


@dataclass(frozen=True)
class Case:
    """A job, what is done to it once it runs (or waits), and how each of its runs ends."""

    script: str
    ends: Sequence[End]
    options: tuple[str, ...] = ()
    done: Callable[[Cluster, str], object] | None = None
    waits: bool = False  # it is done while the job waits
    node: int = 0


def _scontrol(*words: str) -> Callable[[Cluster, str], object]:
    return lambda slurm, job_id: slurm.run("scontrol", *words, job_id)


def _update(*words: str) -> Callable[[Cluster, str], object]:
    return lambda slurm, job_id: slurm.run("scontrol", "update", f"JobId={job_id}", *words)


def _cancel(slurm: Cluster, job_id: str) -> object:
    return slurm.run("scancel", job_id)


def again(slurm: Cluster, job_id: str) -> None:
    """A requeued job need not wait for two minutes, but a second: else slurmd may end it."""
    slurm.wait(job_id, "PENDING")
    slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now+2")


def requeue(slurm: Cluster, job_id: str) -> None:
    """Run a job again, once it is off its node."""
    slurm.run("scontrol", "requeuehold", job_id)
    again(slurm, job_id)
    slurm.run("scontrol", "release", job_id)


_STOPPED: End = ("REQUEUED", "0:0", "unknown")
CASES: Mapping[str, Case] = {
    "exit 0": Case("exit 0", [_GOOD]),
    "exit 3": Case("exit 3", [("FAILED", "3:0", "exit:3")]),
    "signal": Case("kill -SEGV $$", [("FAILED", "0:11", "signal:11")]),
    "out of memory": Case(HOG, [("OUT_OF_MEMORY", "0:125", "out_of_memory")], ("--mem=100M",)),
    # A limit has whole minutes and is checked twice a minute: the end is moved instead.
    "timeout": Case(LONG, [("TIMEOUT", "0:0", "timeout")], ("--time=1",), _update("EndTime=now+1")),
    "cancelled, running": Case(LONG, [("CANCELLED", "0:0", "cancelled")], done=_cancel),
    "cancelled, waiting": Case(
        LONG, [("CANCELLED", "0:0", "cancelled")], ("--hold",), _cancel, waits=True
    ),
    "held, running": Case(LONG, [_STOPPED, ("PENDING", "0:0", "")], done=_scontrol("requeuehold")),
    "held, waiting": Case(LONG, [("PENDING", "0:0", "")], ("--hold",), waits=True),
    "requeued, running": Case(LONG_ONCE, [_STOPPED, _GOOD], done=requeue),
    "requeued, failed": Case(FAILS_ONCE, [("REQUEUED", "3:0", "exit:3"), _GOOD]),
    "node lost": Case(LONG, [("NODE_FAIL", "0:0", "node_failure")], ("--no-requeue",), node=2),
    "node lost, requeued": Case(LONG_ONCE, [("NODE_FAIL", "0:0", "node_failure"), _GOOD], node=2),
    "step fails": Case("srun --overlap sh -c 'exit 7'; exit 0", [_GOOD]),
    "dependency fails": Case("true", [("PENDING", "0:0", "")], ("--dependency=afterok:{failing}",)),
    "dependency kills": Case(
        "true",
        [("CANCELLED", "0:0", "cancelled")],
        ("--dependency=afterok:{failing}", "--kill-on-invalid-dep=yes"),
    ),
}
PREEMPTED: Sequence[End] = [("PREEMPTED", "0:0", "preempted"), _GOOD]
ARRAY = (
    "case $SLURM_ARRAY_TASK_ID in 1) exit 0;; 2) exit 5;; 3) kill -KILL $$;; 4) sleep 300;; esac"
)
TASKS: Sequence[End] = [
    _GOOD,
    ("FAILED", "5:0", "exit:5"),
    ("FAILED", "0:9", "signal:9"),
    ("CANCELLED", "0:0", "cancelled"),
]


@dataclass(frozen=True)
class Said:
    """One run: what each says of it."""

    state: str  # sacct's
    code: str
    record: RunRecord | None  # hooks and history together, as the brain joins them
    hooks: Sequence[JobEvent]  # of the nodes, as their agents tell them

    @property
    def by_hooks(self) -> str:
        """The nodes' word."""
        ends = [event.exit.key for event in self.hooks if event.exit is not None]
        started = any(event.kind is EventKind.START for event in self.hooks)
        return " ".join(ends) or ("started" if started else "-")

    @property
    def recorded(self) -> str:
        """Our word."""
        if self.record is None:
            return "-"
        if self.record.exit is None:
            return "runs" if self.record.started else "waits"
        return f"{self.record.exit.key} {self.record.exit.state}"


def rows(slurm: Cluster, job_id: str) -> list[tuple[str, str]]:
    """State and ExitCode of each run of a job, as a person reads them in sacct."""
    fields = "JobIDRaw,Submit,State,ExitCode"
    listed = slurm.run("sacct", "-nXPD", "-o", fields, "-j", job_id).splitlines()
    cells = sorted(line.split("|") for line in listed)
    return [(state, code) for raw, _, state, code in cells if raw == job_id]


def stands(slurm: Cluster) -> dict[str, tuple[int, str]]:
    """How often each job was requeued, and its state, as the controller knows it; by job id."""
    fields = "--Format=JobID:24,RestartCnt:24,State:24"
    listed = slurm.run("squeue", "--noheader", "--states=all", "--array", fields).splitlines()
    cells = (line.split() for line in listed)
    return {job_id: (int(restarts), state) for job_id, restarts, state in cells}


def said(slurm: Cluster, job_ids: Sequence[str]) -> dict[str, list[Said]]:
    """What all say of these jobs, once accounting knows all their runs and has told history."""
    controller = stands(slurm)
    runs = {job_id: controller[job_id][0] + 1 for job_id in job_ids}
    ended = {
        Run("testbed", "slurm", job_id, str(number))
        for job_id, count in runs.items()
        for number in range(count - (controller[job_id][1] == "PENDING"))
    }
    deadline = time.monotonic() + 120
    while True:
        history = list(slurm.scheduler(("array", "comment", "name")).history(time.time() - 900))
        accounting = {job_id: rows(slurm, job_id) for job_id in job_ids}
        missing = ended - {event.run for event in history if event.kind is EventKind.OUTCOME}
        late = [job_id for job_id, told in accounting.items() if len(told) < runs[job_id]]
        if not missing and not late:
            break
        assert time.monotonic() < deadline, f"{missing} or jobs {late} were never told"
        time.sleep(1)
    return {job_id: _said(slurm, job_id, told, history) for job_id, told in accounting.items()}


def _said(
    slurm: Cluster, job_id: str, told: Sequence[tuple[str, str]], history: Sequence[JobEvent]
) -> list[Said]:
    nodes = agents_word(slurm.hooks.events(job_id))
    controller = slurm.hooks.controller_events(job_id)
    of_runs = []
    for number, (state, code) in enumerate(told):
        run = Run("testbed", "slurm", job_id, str(number))
        hooks = [event for event in nodes if event.run == run]
        events = [event for event in (*hooks, *controller, *history) if event.run == run]
        of_runs.append(Said(state, code, view(events), hooks))
    return of_runs


def agents_word(events: Sequence[JobEvent]) -> list[JobEvent]:
    """What the agents of the nodes would tell, having heard these events of hooks in this order."""
    agents: dict[str, Registry] = {}
    told: list[JobEvent] = []
    for event in events:
        agent = agents.setdefault(event.node, Registry(Rules("testbed", event.node, 5.0, 60.0)))
        told.extend(agent.hear(event, 0, True, time.monotonic()).events)
    return told
