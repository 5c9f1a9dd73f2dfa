"""PrologSlurmctld and EpilogSlurmctld: what they tell, and that it is told of no node."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.plugins import hook as teller
from jobmend.plugins.slurm import hook

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

CONTROLLER = f"slurmctld@{os.uname().nodename}"
# As Slurm 22.05 calls them; of an array's task.
PROLOG = {
    "SLURM_SCRIPT_CONTEXT": "prolog_slurmctld",
    "SLURM_CLUSTER_NAME": "testbed",
    "SLURM_ARRAY_JOB_ID": "6",
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_JOB_ID": "12",
    "SLURM_JOB_NAME": "arr",
    "SLURM_JOB_NODELIST": "node1",
    "SLURM_JOB_RESTART_COUNT": "1",
    "SLURM_JOB_USER": "tester",
    "SLURM_JOB_PARTITION": "main",
    "SLURM_JOB_COMMENT": "reco-2026",
    "SLURM_JOB_WORK_DIR": "/home/tester/secret",
}
EPILOG = {
    **PROLOG,
    "SLURM_SCRIPT_CONTEXT": "epilog_slurmctld",
    "SLURM_JOB_RESTART_COUNT": "0",
}


def as_event(environ: dict[str, str]) -> JobEvent:
    body = hook.event_body(environ, 1000.5)
    assert body is not None and "secret" not in json.dumps(body)
    message = wire.loads(json.dumps({"jobmend": 1, "kind": "event", "body": body}).encode())
    assert isinstance(message, JobEvent)
    return message


def test_the_prolog_tells_that_a_run_waits_and_what_it_is_called() -> None:
    event = as_event(PROLOG)
    assert event.key == "testbed/slurm/12/1/queued/"
    assert (event.facts.name, event.facts.user, event.facts.site) == ("arr", "tester", "main")
    assert event.facts.attempt == 1 and event.exit is None


@pytest.mark.parametrize(
    ("status", "pair", "key"),
    [
        ("768", "3:0", "exit:3"),
        ("253", "0:125", "out_of_memory"),
        ("11", "0:11", "signal:11"),
        ("0", "0:0", None),  # also of TIMEOUT, CANCELLED and NODE_FAIL
        ("", "", None),
    ],
)
def test_the_epilog_tells_failures_and_never_success(
    status: str, pair: str, key: str | None
) -> None:
    told = {"SLURM_JOB_EXIT_CODE": status, "SLURM_JOB_EXIT_CODE2": pair}
    event = as_event({**EPILOG, **told})
    assert (event.kind, event.node) == (EventKind.END, CONTROLLER)
    assert (event.exit.key if event.exit else None) == key


def test_the_epilog_tells_no_end_of_a_job_that_was_requeued() -> None:
    assert hook.event_body({**EPILOG, "SLURM_JOB_RESTART_COUNT": "1"}, 0.0) is None


def test_a_hostile_name_is_cut_and_fits_a_datagram() -> None:
    words = {"SLURM_JOB_NAME": "\x01" * 70000, "SLURM_JOB_COMMENT": "\x01" * 70000}
    body = hook.event_body({**PROLOG, **words}, 0.0)
    assert body is not None and body["facts"]["name"] == "\x01" * teller.MAX_NAME
    message = {"jobmend": teller.VERSION, "kind": "event", "body": body}
    assert len(json.dumps(message, ensure_ascii=False).encode()) <= teller.MAX_BYTES


@pytest.mark.slurm
def test_the_controller_tells_of_each_run(slurm: Cluster) -> None:
    job_id = slurm.submit("exit 3", "--job-name=na|me\n2", "--comment=reco")
    slurm.wait(job_id, "FAILED")
    queued, end = told(slurm, job_id)
    assert queued.run.key == end.run.key == f"testbed/slurm/{job_id}/0"
    assert (queued.kind, queued.node) == (EventKind.QUEUED, "")
    assert queued.facts.name == end.facts.name == "na|me\n2"
    assert queued.facts.comment == "reco" and queued.facts.user == "tester"
    assert (end.kind, end.node) == (EventKind.END, CONTROLLER)
    assert end.exit is not None and end.exit.key == "exit:3"


@pytest.mark.slurm
def test_a_run_that_a_requeue_stops_ends_no_other(slurm: Cluster) -> None:
    job_id = slurm.submit('[ -n "$SLURM_RESTART_COUNT" ] || sleep 300')
    slurm.wait(job_id, "RUNNING")
    slurm.run("scontrol", "requeue", job_id)
    slurm.wait(job_id, "PENDING")
    slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now+2")
    slurm.wait(job_id, "COMPLETED")
    assert [(event.kind, event.run.run) for event in told(slurm, job_id)] == [
        (EventKind.QUEUED, "0"),
        (EventKind.QUEUED, "1"),
    ]


@pytest.mark.slurm
def test_the_controller_does_not_call_a_cancellation_success(slurm: Cluster) -> None:
    job_id = slurm.submit("sleep 300")
    slurm.wait(job_id, "RUNNING")
    slurm.run("scancel", job_id)
    slurm.wait(job_id, "CANCELLED")
    _, end = told(slurm, job_id)
    assert end.kind is EventKind.END and end.exit is None


def told(slurm: Cluster, job_id: str) -> list[JobEvent]:
    """Both events of the controller of a job."""
    deadline = time.monotonic() + 60
    while len(events := slurm.hooks.controller_events(job_id)) < 2:
        assert time.monotonic() < deadline, events
        time.sleep(0.05)
    return events
