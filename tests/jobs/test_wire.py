"""What passes between the parts is read strictly, and an error names the field."""

from __future__ import annotations

import json
import math
from array import array
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts, Request, TraceSummary
from jobmend.jobs.exits import slurm_exit
from jobmend.jobs.fields import WireError
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES, TraceWindow
from jobmend.plugins import hook

RUN = Run("alpha", "slurm", "42", "0")
EVENT = JobEvent(
    EventKind.END,
    RUN,
    1_700_000_000.25,
    node="n1",
    facts=JobFacts(
        workflow="fit",
        site="main",
        user="ada",
        comment="<b>\x1b[31m",
        attempt=2,
        parent="alpha/slurm/41/0",
        request=Request(cpus=2, memory_bytes=1 << 30, walltime_seconds=60),
        slot="slot1_1@n1",
        pid=80462,
    ),
    exit=slurm_exit("OUT_OF_MEMORY", 0, 125, "memory"),
    trace=TraceSummary(12.5, 60, 10.0, 1.0, 0.0, 1 << 20, 1 << 30, 1, 0.1, 0.2, 0.3),
)


def window(threads: int = 2, steps: int = 3) -> TraceWindow:
    values = array("f", [math.nan] + [0.5] * (threads * steps * len(FEATURES) - 1))
    owners = (RUN.key,) + (None,) * (threads - 1)
    return TraceWindow("n1", 1000.0, 0.5, tuple(range(threads)), owners, values)


def document(**changes: Any) -> dict[str, Any]:
    body = wire.event_body(EVENT)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = body
        for parent in parents:
            target = target[parent]
        if value is None:
            target.pop(last)
        else:
            target[last] = value
    return {"jobmend": 1, "kind": "event", "body": body}


def test_an_event_survives_the_wire() -> None:
    assert wire.loads(wire.dumps(EVENT)) == EVENT
    bare = JobEvent(EventKind.START, RUN, 5.0)
    assert wire.loads(wire.dumps(bare)) == bare


def test_an_event_of_before_slots_and_pids_is_read() -> None:
    read = wire.loads(json.dumps(document(facts__slot=None, facts__pid=None)).encode())
    assert isinstance(read, JobEvent)
    assert (read.facts.slot, read.facts.pid, read.facts.user) == ("", 0, "ada")
    assert "pid" not in wire.event_body(read)["facts"]


def test_an_end_with_an_anomaly_survives_and_one_without_says_nothing_of_it() -> None:
    assert EVENT.trace is not None
    scored = replace(EVENT.trace, anomaly_score=2.5, anomaly_p=0.01, anomaly_model="0123abcd")
    event = replace(EVENT, trace=scored)
    assert wire.loads(wire.dumps(event)) == event
    assert not [name for name in wire.event_body(EVENT)["trace"] if "anomaly" in name]


def test_a_window_survives_the_wire_with_its_gaps() -> None:
    read = wire.loads(wire.dumps(window()))
    assert isinstance(read, TraceWindow)
    assert read.shape == (2, 3, len(FEATURES))
    assert read.to_bytes() == window().to_bytes()
    assert read.owners == (RUN.key, None)
    assert math.isnan(read.values[0])


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"run__cluster": 7}, "event.run.cluster", "a number, a string is wanted"),
        ({"run__job_id": None}, "event.run.job_id", "missing"),
        ({"run__job_id": "4/2"}, "event.run.job_id", "slash"),
        ({"run__job_id": "4\n2"}, "event.run.job_id", "control"),
        ({"run__run": ""}, "event.run.run", "empty"),
        ({"kind": "party"}, "event.kind", "none of queued, start"),
        ({"time": "now"}, "event.time", "a string, a number is wanted"),
        ({"time": -1.0}, "event.time", "negative"),
        ({"time": True}, "event.time", "a boolean"),
        ({"time": 10**400}, "event.time", "not finite"),
        ({"facts__name": "x" * 10_000_000}, "message", "bytes"),
        ({"facts__name": "x" * 257}, "event.facts.name", "longer than 256"),
        ({"facts__request__memory_bytes": 1.5}, "event.facts.request.memory_bytes", "whole"),
        ({"facts__request__cpus": []}, "event.facts.request.cpus", "a list"),
        ({"facts__slot": 1}, "event.facts.slot", "a number, a string"),
        ({"facts__pid": -1}, "event.facts.pid", "negative"),
        ({"exit__kind": "melted"}, "event.exit.kind", "melted"),
        ({"exit__code": 2**64}, "event.exit.code", "64 bits"),
        ({"trace__samples": -1}, "event.trace.samples", "negative"),
        ({"trace__anomaly_score": "odd"}, "event.trace.anomaly_score", "a string, a number"),
        ({"trace__anomaly_p": -0.1}, "event.trace.anomaly_p", "negative"),
        ({"trace__anomaly_model": "v" * 257}, "event.trace.anomaly_model", "longer than 256"),
        ({"trace": "long"}, "event.trace", "an object is wanted"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(WireError) as error:
        wire.loads(json.dumps(document(**changes)).encode())
    assert error.value.field == field
    assert problem in error.value.problem


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"jobmend": NaN, "kind": "event", "body": {}}', "message.jobmend"),
        (b"[]", "a list, an object is wanted"),
        (b'{"jobmend": 2, "kind": "event", "body": {}}', "version 2, this side reads 1"),
        (b'{"jobmend": 1, "kind": "song", "body": {}}', "'song' is none of event, window"),
        (b'{"jobmend": 1, "kind": "event"}', "message.body: missing"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(WireError, match="message") as error:
        wire.loads(data)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("values", "not base64!", "window.values"),
        ("values", "AAAA", "window.values"),
        ("values", "AAAAAA==", "do not fill"),
        ("threads", [], "window.threads"),
        ("threads", [0, True], "window.threads"),
        ("threads", [0], "2 owners for 1 threads"),
        ("owners", [1, 2], "window.owners"),
        ("step_seconds", -1, "window.step_seconds: negative"),
    ],
)
def test_a_damaged_window_is_refused(name: str, value: object, problem: str) -> None:
    body = wire.window_body(window())
    body[name] = value
    with pytest.raises(WireError) as error:
        wire.read_message({"jobmend": 1, "kind": "window", "body": body})
    assert problem in str(error.value)


def test_unknown_fields_are_passed_over() -> None:
    assert wire.read_message(document(news="of tomorrow", facts__news=1)) == EVENT


def test_an_infinite_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire.dumps(JobEvent(EventKind.START, RUN, math.inf))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_document_does_more_than_raise_a_wire_error(noise: object) -> None:
    for message in (noise, {"jobmend": 1, "kind": "event", "body": noise}, document(facts=noise)):
        try:
            wire.read_message(message)
        except WireError as error:
            assert error.field


def test_the_hook_speaks_the_version_and_bound_of_the_wire() -> None:
    assert (hook.VERSION, hook.MAX_BYTES) == (wire.VERSION, wire.MAX_EVENT_BYTES)
