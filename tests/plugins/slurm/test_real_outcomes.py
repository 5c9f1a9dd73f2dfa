"""How jobs end on a real Slurm: what history tells is what sacct says, and what the hooks see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.events import EventKind, JobEvent

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

HOG = "python3 -c 'x = bytearray(200 * 2**20); import time; time.sleep(2)'"
HOSTILE = "<b>|\x1b[2J \u202e'q\"\\\n$(id); <script>\t\x1f"

# What runs, its options, what sacct says of it (the part before a blank), and our exit's key.
JOBS = {
    "success": ("exit 0", (), ("COMPLETED", "0:0"), "exit:0"),
    "error": ("exit 3", (), ("FAILED", "3:0"), "exit:3"),
    "crash": ("kill -SEGV $$", (), ("FAILED", "0:11"), "signal:11"),
    "memory": (HOG, ("--mem=100M",), ("OUT_OF_MEMORY", "0:125"), "out_of_memory"),
    "timeout": ("sleep 100", ("--time=1",), ("TIMEOUT", "0:0"), "timeout"),
    "cancelled": ("sleep 100", (), ("CANCELLED", "0:0"), "cancelled"),
    "node": ("sleep 100", ("--no-requeue",), ("NODE_FAIL", "0:0"), "node_failure"),
}
# What the node's Epilog can know; these three look like success in every hook of Slurm.
IN_HOOK = {"timeout": "exit:0", "cancelled": "exit:0", "node": "exit:0"}


@pytest.fixture(scope="module")
def ended(slurm: Cluster) -> Iterator[dict[str, str]]:
    """One job of each kind, ended; their job ids."""
    lost = slurm.nodes[2]
    where = {"node": lost}
    ids = {
        name: slurm.submit(script, *options, f"--nodelist={where.get(name, slurm.nodes[0])}")
        for name, (script, options, *_) in JOBS.items()
        if name != "memory" or slurm.cgroups == "v1"
    }
    for name in ("timeout", "cancelled", "node"):
        slurm.wait(ids[name], "RUNNING")
    # A limit has whole minutes and is checked twice a minute: move the end instead.
    slurm.run("scontrol", "update", f"JobId={ids['timeout']}", "EndTime=now+1")
    slurm.run("scancel", ids["cancelled"])
    slurm.run("scontrol", "update", f"NodeName={lost}", "State=DOWN", "Reason=test")
    try:
        for name, job_id in ids.items():
            slurm.wait(job_id, JOBS[name][2][0], seconds=100)
        yield ids
    finally:
        if "down" in slurm.run("sinfo", "-h", "-n", lost, "-o", "%T"):
            slurm.run("scontrol", "update", f"NodeName={lost}", "State=RESUME")


@pytest.mark.parametrize("name", JOBS)
def test_history_tells_what_sacct_says(slurm: Cluster, ended: dict[str, str], name: str) -> None:
    if name not in ended:
        pytest.skip("no cgroup v1 controllers here: Slurm enforces no memory limit")
    state, code = slurm.accounting(ended[name])
    assert (state.split()[0], code) == JOBS[name][2]
    record = slurm.record(slurm.scheduler(), ended[name])
    assert record.exit is not None and record.exit.key == JOBS[name][3]
    assert record.exit.state == JOBS[name][2][0]
    assert record.facts.user == "tester" and record.facts.account == "acct"
    assert record.facts.site == "main"
    assert record.run.key == f"testbed/slurm/{ended[name]}/0"


def test_a_cancellation_names_who_did_it(slurm: Cluster, ended: dict[str, str]) -> None:
    record = slurm.record(slurm.scheduler(), ended["cancelled"])
    assert record.exit is not None and record.exit.reason == "by 0"


def test_requests_are_told_in_bytes_and_seconds(slurm: Cluster, ended: dict[str, str]) -> None:
    request = slurm.record(slurm.scheduler(), ended["timeout"]).facts.request
    assert (request.cpus, request.memory_bytes) == (1, 200 * 2**20)
    assert request.walltime_seconds == 60.0


# A node that is declared down runs its Epilog when it likes.
@pytest.mark.parametrize("name", [name for name in JOBS if name != "node"])
def test_hooks_tell_start_and_end(slurm: Cluster, ended: dict[str, str], name: str) -> None:
    if name not in ended:
        pytest.skip("no cgroup v1 controllers here: Slurm enforces no memory limit")
    start, end = told(slurm, ended[name], 2)
    assert (start.kind, end.kind) == (EventKind.START, EventKind.END)
    assert start.run.key == end.run.key == f"testbed/slurm/{ended[name]}/0"
    assert start.node == end.node == slurm.nodes[0]
    assert start.facts.user == "tester" and start.facts.site == "main"
    assert start.exit is None
    assert end.exit is not None and end.exit.key == IN_HOOK.get(name, JOBS[name][3])
    assert 0 <= end.time - start.time < 120


def told(slurm: Cluster, job_id: str, count: int) -> list[JobEvent]:
    """The hooks' first events of a job; Epilog may come a moment after the job's end."""
    deadline = time.monotonic() + 10
    while len(events := slurm.hooks.events(job_id)) < count:
        assert time.monotonic() < deadline, f"{len(events)} events of job {job_id}, not {count}"
        time.sleep(0.05)
    return events


def test_an_array_has_a_run_for_each_task(slurm: Cluster) -> None:
    array = slurm.submit("exit $((SLURM_ARRAY_TASK_ID - 1))", "--array=1-3", "--job-name=tasks")
    slurm.wait(f"{array}_1", "COMPLETED")
    slurm.wait(f"{array}_2", "FAILED")
    slurm.wait(f"{array}_3", "FAILED")
    scheduler = slurm.scheduler(("array", "name"))
    records = [slurm.record(scheduler, raw) for raw in slurm.raw_ids(array)]
    assert {record.facts.workflow for record in records} == {f"tester/array-{array}"}
    assert array in {record.run.job_id for record in records}  # one task has the array's own id
    assert sorted(record.exit.key for record in records if record.exit) == [
        "exit:0",
        "exit:1",
        "exit:2",
    ]


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
    job_id = slurm.submit("sleep 300")
    slurm.wait(job_id, "RUNNING")
    try:
        slurm.record(slurm.scheduler(), job_id, ended=False)
        told = slurm.scheduler().history(time.time() + 3600)
        assert job_id in {event.run.job_id for event in told}
    finally:
        slurm.run("scancel", job_id)


def test_no_node_was_drained(slurm: Cluster, ended: dict[str, str]) -> None:
    listed = slurm.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T %E")
    states = {line.split(" ")[0]: line.split(" ", 1)[1] for line in listed.splitlines()}
    assert set(states) == set(slurm.nodes)
    drained = [state for state in states.values() if "drain" in state]
    assert drained == []
