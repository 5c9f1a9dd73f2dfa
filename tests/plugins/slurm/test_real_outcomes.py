"""How jobs end on a real Slurm: what jobmend records is what sacct says, whatever hooks saw.

The table of all of them is printed at the end of the test run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.events import EventKind, JobEvent
from tests.plugins.slurm.changing import LostNode, configured
from tests.plugins.slurm.matrix import (
    ARRAY,
    CASES,
    LONG,
    LONG_ONCE,
    PREEMPTED,
    TASKS,
    Said,
    again,
    requeue,
    said,
)

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

HOSTILE = "<b>|\x1b[2J \u202e'q\"\\\n$(id); <script>\t\x1f"
OVERWRITTEN = "REQUEUED"  # sacct's state of a run, once its job was requeued

PREEMPTION = """
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=low Nodes={node} PriorityTier=1 DefMemPerCPU=200 PreemptMode=REQUEUE
PartitionName=high Nodes={node} PriorityTier=10 DefMemPerCPU=200 PreemptMode=OFF
"""


class Table:
    """Lines that stand at the end of what pytest prints."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, ...]] = []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.rows:
            terminalreporter.section("outcomes on a real Slurm")
            heads = ("case", "run", "hooks said", "accounting said", "recorded")
            for row in (heads, *self.rows):
                terminalreporter.write_line("{:<22} {:<6} {:<14} {:<30} {}".format(*row).rstrip())


@pytest.fixture(scope="module")
def matrix(slurm: Cluster, request: pytest.FixtureRequest) -> Iterator[Mapping[str, list[Said]]]:
    """Each case carried through to its end, and what all say of it, by its name."""
    cases = {"preempted": preempt(slurm), **end(slurm)}
    found = said(slurm, list(cases.values()))
    matrix = {name: found[job_id] for name, job_id in cases.items()}
    table = Table()
    for name, runs in matrix.items():
        for number, run in enumerate(runs):
            shown = f"{cases[name]}/{number}"
            accounting = f"{run.state} {run.code}"
            table.rows.append((name, shown, run.by_hooks, accounting, run.recorded))
    request.config.pluginmanager.register(table)
    yield matrix
    for job_id in cases.values():
        slurm.run("scancel", job_id)


def preempt(slurm: Cluster) -> str:
    """A job of a low partition that has to make way, and runs again."""
    with configured(slurm, lambda text: text + PREEMPTION.format(node=slurm.nodes[1])):
        options = ("--cpus-per-task=4", "--mem=100M")
        low = slurm.submit(LONG_ONCE, "--partition=low", *options)
        slurm.wait(low, "RUNNING")
        high = slurm.submit("sleep 1", "--partition=high", *options)
        slurm.wait(high, "COMPLETED")
        again(slurm, low)
        slurm.wait(low, "COMPLETED")
    return low


def end(slurm: Cluster) -> dict[str, str]:
    """All other cases, side by side; their job ids."""
    ids: dict[str, str] = {}
    for name, case in CASES.items():
        if name == "out of memory" and slurm.cgroups != "v1":
            continue
        failing = ids.get("exit 3", "")
        options = [option.format(failing=failing) for option in case.options]
        ids[name] = slurm.submit(case.script, *options, f"--nodelist={slurm.nodes[case.node]}")
    array = slurm.submit(ARRAY, "--array=1-4", f"--nodelist={slurm.nodes[1]}")
    lost = LostNode(slurm, slurm.nodes[2])
    for name in ("node lost", "node lost, requeued"):
        slurm.wait(ids[name], "RUNNING")
    lost.kill()
    try:
        for name, case in CASES.items():
            if case.done is not None and name in ids:
                slurm.wait(ids[name], "PENDING" if case.waits else "RUNNING")
                case.done(slurm, ids[name])
        slurm.wait(ids["requeued, failed"], "FAILED")
        requeue(slurm, ids["requeued, failed"])
        slurm.wait(f"{array}_4", "RUNNING")
        slurm.run("scancel", f"{array}_4")
        slurm.wait(ids["node lost"], "NODE_FAIL", seconds=120)
    finally:
        lost.revive()
    again(slurm, ids["node lost, requeued"])
    for name, job_id in ids.items():
        state = CASES[name].ends[-1][0]
        slurm.wait(job_id, state, seconds=120)
    for number, (state, *_) in enumerate(TASKS, 1):
        slurm.wait(f"{array}_{number}", state)
    shown = slurm.run("squeue", "-har", "--states=all", "-j", array, "-o", "%A %K").splitlines()
    raw = {task: job_id for job_id, task in map(str.split, shown)}
    return {**ids, **{f"array, task {task}": raw[task] for task in sorted(raw)}}


WANTED: Mapping[str, Sequence[tuple[str, str, str]]] = {
    **{name: case.ends for name, case in CASES.items()},
    "preempted": PREEMPTED,
    **{f"array, task {number}": [end] for number, end in enumerate(TASKS, 1)},
}


@pytest.mark.parametrize("name", WANTED)
def test_what_is_recorded_is_what_accounting_says(
    slurm: Cluster, matrix: Mapping[str, list[Said]], name: str
) -> None:
    if name not in matrix:
        pytest.skip("no cgroup v1 controllers here: Slurm enforces no memory limit")
    told = [(run.state.split()[0], run.code) for run in matrix[name]]
    assert told == [wanted[:2] for wanted in WANTED[name]]
    for run, (state, code, key) in zip(matrix[name], WANTED[name]):
        exit = run.record.exit if run.record else None
        if not key:
            assert exit is None
            continue
        assert run.record is not None and exit is not None and exit.key == key
        if state == OVERWRITTEN:  # what the run was before is left to the hooks
            assert exit.state in (OVERWRITTEN, "")
            continue
        assert exit.state == state
        if key != "out_of_memory":  # 125 is a mark of Slurm's, not a signal
            assert f"{exit.code or 0}:{exit.signal or 0}" == code
        assert run.record.facts.user == "tester" and run.record.facts.account == "acct"


# These look like success in every hook of Slurm. When a running job is requeued, Slurm counts that
# before it calls the Epilog of the run that was stopped; the agent knows whose end it is.
STOPPED = ("held, running", "requeued, running", "preempted")


@pytest.mark.parametrize("name", ["timeout", "cancelled, running", *STOPPED])
def test_accounting_corrects_what_hooks_took_for_success(
    matrix: Mapping[str, list[Said]], name: str
) -> None:
    first = matrix[name][0]
    assert first.by_hooks == "exit:0" and not first.recorded.startswith("exit:0")


@pytest.mark.parametrize("name", ["exit 0", "exit 3", "signal", "step fails", "array, task 3"])
def test_hooks_tell_start_and_end(matrix: Mapping[str, list[Said]], name: str) -> None:
    (run,) = matrix[name]
    assert [event.kind for event in run.hooks] == [EventKind.START, EventKind.END]
    assert run.by_hooks == WANTED[name][0][2]
    start, end = run.hooks
    assert start.node == end.node and start.facts.site == end.facts.site == "main"
    assert 0 <= end.time - start.time < 120


def test_a_cancellation_names_who_did_it(matrix: Mapping[str, list[Said]]) -> None:
    record = matrix["cancelled, running"][0].record
    assert record is not None and record.exit is not None and record.exit.reason == "by 0"


def test_requests_are_told_in_bytes_and_seconds(matrix: Mapping[str, list[Said]]) -> None:
    record = matrix["timeout"][0].record
    assert record is not None
    request = record.facts.request
    assert (request.cpus, request.memory_bytes) == (1, 200 * 2**20)
    assert request.walltime_seconds == 60.0


def test_the_tasks_of_an_array_are_one_workflow(matrix: Mapping[str, list[Said]]) -> None:
    records = [matrix[f"array, task {number}"][0].record for number in (1, 2, 3, 4)]
    assert len({record.facts.workflow for record in records if record}) == 1
    assert all(record and "/array-" in record.facts.workflow for record in records)


def test_a_run_that_was_repeated_names_the_one_before(matrix: Mapping[str, list[Said]]) -> None:
    for name in ("requeued, failed", "node lost, requeued", "preempted"):
        first, second = (run.record for run in matrix[name])
        assert first and second and second.facts.parent == first.run.key


def told(slurm: Cluster, job_id: str, count: int) -> list[JobEvent]:
    """The hooks' first events of a job; Epilog may come a moment after the job's end."""
    deadline = time.monotonic() + 60
    while len(events := slurm.hooks.events(job_id)) < count:
        assert time.monotonic() < deadline, f"{len(events)} events of job {job_id}, not {count}"
        time.sleep(0.05)
    return events


def test_hostile_names_and_comments_are_data(slurm: Cluster) -> None:
    job_id = slurm.submit(
        "exit 0", f"--job-name={HOSTILE}", f"--comment={HOSTILE}", "--wckey=w|k\nx"
    )
    slurm.wait(job_id, "COMPLETED")
    record = slurm.record(slurm.scheduler(), job_id)
    # Debian's database keeps no character outside Latin-1, and Slurm turns quotes in a name.
    assert record.facts.comment == HOSTILE.replace("\u202e", "?")
    assert record.facts.workflow == f"tester/{record.facts.comment}"
    assert record.facts.name.startswith("<b>|\x1b[2J ") and "<script>\t\x1f" in record.facts.name
    assert record.facts.user == "tester" and record.succeeded
    start, end = told(slurm, job_id, 2)
    assert start.facts.comment == end.facts.comment == HOSTILE


def test_a_history_from_the_future_tells_what_runs(slurm: Cluster) -> None:
    job_id = slurm.submit(LONG)
    slurm.wait(job_id, "RUNNING")
    try:
        slurm.record(slurm.scheduler(), job_id, ended=False)
        told = slurm.scheduler().history(time.time() + 3600)
        assert job_id in {event.run.job_id for event in told}
    finally:
        slurm.run("scancel", job_id)


@pytest.mark.usefixtures("matrix")
def test_no_node_was_drained(slurm: Cluster) -> None:
    assert slurm.unfit() == {}
