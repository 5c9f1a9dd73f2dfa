"""Events out of ads, of each shape that ads were seen to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import ExitKind
from jobmend.plugins.htcondor import ads, ends, history
from jobmend.plugins.htcondor.ads import JobAd
from jobmend.plugins.htcondor.history import Naming

WORKFLOW, SITE = ("DAGManJobId", "JobBatchName", "ClusterId"), ("MATCH_GLIDEIN_Site", "RemoteHost")
NAMING = Naming("pool", WORKFLOW, SITE)

IDLE = {
    "ClusterId": 12,
    "ProcId": 3,
    "GlobalJobId": "ap1#12.3#1795242239",
    "JobStatus": 1,
    "QDate": 1795242239,
    "EnteredCurrentStatus": 1795242239,
    "Owner": "ada",
    "RequestCpus": 2,
    "RequestMemory": 100,
}
RUNNING = {
    **IDLE,
    "JobStatus": 2,
    "LastJobStatus": 1,
    "NumShadowStarts": 1,
    "JobCurrentStartDate": 1795242250,
    "EnteredCurrentStatus": 1795242250,
    "RemoteHost": "slot1_1@node1",
}
LEFT = {**RUNNING, "LastRemoteHost": "slot1_1@node1", "LastJobStatus": 2}
LEFT.pop("RemoteHost")
COMPLETED = {
    **LEFT,
    "JobStatus": 4,
    "ExitBySignal": False,
    "ExitCode": 3,
    "CompletionDate": 1795242300,
}
EPOCH = {**RUNNING, "EpochWriteDate": 1795242290}


def ad(values: Mapping[str, Any], **more: object) -> JobAd:
    read = ads.read({**values, **more}, (*WORKFLOW, *SITE))
    assert read is not None
    return read


def kinds(events: Iterator[JobEvent]) -> list[tuple[str, str]]:
    return [(event.kind.value, event.run.run.rpartition("#")[2]) for event in events]


@pytest.mark.parametrize(
    ("values", "more", "told"),
    [
        (IDLE, {}, [("queued", "1")]),
        (RUNNING, {}, [("start", "1")]),
        (RUNNING, {"JobStatus": 6}, [("start", "1")]),  # transferring output
        (RUNNING, {"NumShadowStarts": 3, "NumJobReconnects": 1}, [("start", "2")]),
        (LEFT, {"JobStatus": 1}, [("queued", "2")]),  # evicted or released
        (LEFT, {"JobStatus": 5, "HoldReasonCode": 1}, [("start", "1"), ("outcome", "1")]),
        (LEFT, {"JobStatus": 5, "LastJobStatus": 1}, [("queued", "2")]),  # held while it waited
        (IDLE, {"JobStatus": 5}, [("queued", "1")]),  # submitted on hold
        (COMPLETED, {}, [("start", "1"), ("outcome", "1")]),  # LeaveJobInQueue
        (LEFT, {"JobStatus": 3}, []),  # being removed: its history tells
    ],
)
def test_the_queue(values: dict[str, Any], more: dict[str, Any], told: list[object]) -> None:
    assert kinds(history.of_queue(ad(values, **more), NAMING)) == told


@pytest.mark.parametrize(
    ("values", "more", "told", "kind"),
    [
        (COMPLETED, {}, [("start", "1"), ("outcome", "1")], ExitKind.ERROR),
        (LEFT, {"JobStatus": 3}, [("start", "1"), ("outcome", "1")], ExitKind.CANCELLED),
        (LEFT, {"JobStatus": 3, "LastJobStatus": 5}, [("outcome", "2")], ExitKind.CANCELLED),
        (IDLE, {"JobStatus": 3, "LastJobStatus": 1}, [("outcome", "1")], ExitKind.CANCELLED),
    ],
)
def test_the_history(
    values: dict[str, Any], more: dict[str, Any], told: list[object], kind: ExitKind
) -> None:
    events = list(history.of_history(ad(values, **more), NAMING))
    assert kinds(iter(events)) == told
    exit = events[-1].exit
    assert exit is not None and exit.kind is kind


@pytest.mark.parametrize(
    ("more", "kind", "state"),
    [
        ({"ExitCode": 0}, ExitKind.SUCCESS, "COMPLETED"),
        ({"ExitBySignal": True, "ExitSignal": 11}, ExitKind.SIGNAL, "COMPLETED"),
        ({"HoldReasonCode": 34}, ExitKind.OUT_OF_MEMORY, "HELD"),
        ({"HoldReasonCode": 47, "VacateReasonCode": 1009}, ExitKind.TIMEOUT, "HELD"),
        ({"VacateReasonCode": 1}, ExitKind.HELD, "HELD"),
        ({"VacateReasonCode": 6}, ExitKind.LAUNCH_FAILURE, "HELD"),
        ({"VacateReasonCode": 1002}, ExitKind.NODE_FAILURE, "VACATED"),
        ({"VacateReasonCode": 1014}, ExitKind.PREEMPTED, "VACATED"),
        ({"VacateReasonCode": 1023}, ExitKind.CANCELLED, "REMOVED"),
        ({"VacateReasonCode": 4711}, ExitKind.PREEMPTED, "VACATED"),
        ({"VacateReasonCode": 1009, "RemoveReason": "why"}, ExitKind.CANCELLED, "REMOVED"),
        ({}, ExitKind.UNKNOWN, "COMPLETED"),
    ],
)
def test_an_execution_ends(more: dict[str, Any], kind: ExitKind, state: str) -> None:
    exit = ends.of_execution(ad(EPOCH, **more))
    assert (exit.kind, exit.state) == (kind, state)


def test_an_execution_names_the_one_before() -> None:
    events = list(history.of_epoch(ad(EPOCH, NumShadowStarts=2, ExitCode=0), NAMING))
    assert kinds(iter(events)) == [("start", "2"), ("outcome", "2")]
    facts = events[1].facts
    assert facts.parent == "pool/htcondor/12.3/ap1#12.3#1795242239#1" and facts.attempt == 1
    assert events[1].time == 1795242290


def test_what_a_job_asked_for_and_where_it_ran() -> None:
    limits = {"AllowedExecuteDuration": 60, "AllowedJobDuration": 90}
    (event,) = history.of_queue(ad(RUNNING, **limits, AcctGroup="physics"), NAMING)
    facts = event.facts
    assert (facts.user, facts.account, facts.site) == ("ada", "physics", "node1")
    request = facts.request
    assert (request.cpus, request.memory_bytes) == (2, 100 * 2**20)
    assert request.walltime_seconds == 60


@pytest.mark.parametrize(
    ("more", "workflow"),
    [
        ({}, "ada/12@ap1"),
        ({"JobBatchName": "merge"}, "ada/merge"),
        ({"JobBatchName": "merge", "DAGManJobId": 7}, "ada/7@ap1"),
        ({"JobBatchName": 7.5}, "ada/12@ap1"),
        ({"JobmendWorkflow": "merge"}, "ada/merge"),
    ],
)
def test_workflows(more: dict[str, Any], workflow: str) -> None:
    assert NAMING.workflow(ad(IDLE, **more)) == workflow


@pytest.mark.parametrize(
    ("more", "site"),
    [
        ({}, "node1"),
        ({"MATCH_GLIDEIN_Site": "T2_XX"}, "T2_XX"),
        ({"RemoteHost": "node7"}, "node7"),
    ],
)
def test_sites(more: dict[str, Any], site: str) -> None:
    assert NAMING.site(ad(RUNNING, **more)) == site


@pytest.mark.parametrize(
    ("parent", "kept"),
    [
        ("pool/htcondor/11.0/ap1#11.0#1795242000#1", True),
        ("other/htcondor/11.0/ap1#11.0#1795242000#1", False),
        ("pool/slurm/11/0", False),
        ("pool/htcondor", False),
        ("pool/htcondor/1.0/" + "x" * 1000, False),
    ],
)
def test_only_a_run_of_this_pool_is_a_parent(parent: str, kept: bool) -> None:
    (event,) = history.of_queue(ad(IDLE, JobmendParent=parent), NAMING)
    assert event.facts.parent == (parent if kept else "")


def test_an_ad_that_does_not_say_which_job_it_is() -> None:
    for name in ("ClusterId", "ProcId", "GlobalJobId"):
        assert ads.read({**IDLE, name: None}) is None
        assert ads.read({**IDLE, name: 1.5}) is None


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(ads.ATTRIBUTES), VALUES), st.sampled_from([0, 1, 2]))
def test_whatever_stands_in_an_ad_can_be_told(values: dict[str, Any], source: int) -> None:
    names = {"ClusterId": 1, "ProcId": 0, "GlobalJobId": "ap1#1.0#1795242239"}
    read = ads.read({**COMPLETED, **values, **names}, (*WORKFLOW, *SITE))
    assert read is not None
    tell = (history.of_queue, history.of_history, history.of_epoch)[source]
    for event in tell(read, NAMING):
        body = wire.dumps(event)
        back = wire.loads(body.decode().encode("utf-8", "replace"))
        assert isinstance(back, JobEvent) and back.run == event.run
        assert event.kind in (EventKind.QUEUED, EventKind.START, EventKind.OUTCOME)
