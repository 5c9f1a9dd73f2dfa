"""Rows into events: ordinals, workflows, outcomes."""

from __future__ import annotations

import dataclasses
import math

import pytest

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import ExitKind
from jobmend.plugins.slurm.accounting import Row
from jobmend.plugins.slurm.history import events, outcome, sources
from jobmend.plugins.slurm.scheduler import SlurmScheduler

ROW = Row(
    job_id="10",
    address="10",
    name="reco",
    user="tester",
    account="acct",
    partition="main",
    state="FAILED",
    code=3,
    signal=0,
    submitted=100.0,
    started=110.0,
    ended=120.0,
    memory_bytes=2**30,
    walltime_seconds=3600.0,
    cpus=4,
    comment="",
    wckey="*",
)


def tell(
    *rows: Row,
    workflow_from: tuple[str, ...] = ("name",),
    pattern: str = "",
    since: float = 0.0,
    until: float = math.inf,
) -> list[JobEvent]:
    return list(events(rows, "testbed", sources(workflow_from, pattern), 1000.0, since, until))


def row(**changes: object) -> Row:
    return dataclasses.replace(ROW, **changes)  # type: ignore[arg-type]


def test_a_run_that_ended_is_a_start_and_an_outcome() -> None:
    start, end = tell(ROW)
    assert (start.key, start.time) == ("testbed/slurm/10/0/start/", 110.0)
    assert (end.key, end.time) == ("testbed/slurm/10/0/outcome/", 120.0)
    assert end.exit is not None and end.exit.key == "exit:3"
    assert start.facts == end.facts
    assert (start.facts.workflow, start.facts.site) == ("tester/reco", "main")
    assert start.facts.user == "tester"
    assert start.facts.request.memory_bytes == 2**30 and start.facts.request.cpus == 4
    assert wire.loads(wire.dumps(end)) == end


def test_a_run_that_runs_is_a_start_alone_and_one_that_waits_is_queued() -> None:
    assert [event.kind for event in tell(row(ended=None, state="RUNNING"))] == [EventKind.START]
    (waiting,) = tell(row(started=None, ended=None, state="PENDING"))
    assert waiting.kind is EventKind.QUEUED


def test_a_job_cancelled_before_it_started_has_an_outcome_alone() -> None:
    (event,) = tell(row(started=None, state="CANCELLED by 20001", code=0))
    assert event.exit is not None and event.exit.kind is ExitKind.CANCELLED
    assert event.exit.reason == "by 20001"


def test_runs_are_counted_by_the_rows_of_their_job() -> None:
    again = row(submitted=130.0, started=140.0, ended=None, state="RUNNING")
    other = row(job_id="9")
    told = tell(again, ROW, other, ROW)
    assert [event.key.removeprefix("testbed/slurm/") for event in told] == [
        "9/0/start/",
        "9/0/outcome/",
        "10/0/start/",
        "10/0/outcome/",
        "10/1/start/",
    ]
    assert told[-1].facts.attempt == 1 and told[-1].facts.parent == "testbed/slurm/10/0"
    assert [event.run.run for event in tell(ROW, again, since=125.0)] == ["1"]


def test_a_resize_is_no_other_run() -> None:
    assert {e.run.run for e in tell(row(state="RESIZING"), row(submitted=130.0))} == {"0"}


def test_a_past_time_is_told_without_what_goes_on_or_ended_later() -> None:
    running = row(job_id="11", ended=None, state="RUNNING")
    assert tell(ROW, running, until=120.0) == []
    assert {event.run.job_id for event in tell(ROW, running, until=120.1)} == {"10"}


def test_a_row_may_tell_its_restarts_itself() -> None:
    first, *_ = tell(row(restarts=2))
    assert (first.run.run, first.facts.attempt) == ("2", 2)
    assert first.facts.parent == "testbed/slurm/10/1"
    assert {event.run.run for event in tell(row(restarts=0))} == {"0"}


def test_a_requeue_hides_no_success_that_the_batch_step_knows() -> None:
    requeued = row(state="REQUEUED", code=0, ended=500.0)
    done = dataclasses.replace(requeued, batch_state="COMPLETED", batch_ended=120.0)
    _, end = tell(done, since=400.0)  # told when it was requeued, of when it ended
    assert end.exit is not None and end.exit.key == "exit:0" and end.time == 120.0
    stopped = dataclasses.replace(requeued, batch_state="CANCELLED", batch_ended=501.0)
    _, end = tell(stopped)
    assert end.exit is not None and end.exit.key == "unknown" and end.time == 500.0


def test_a_sluid_names_the_run() -> None:
    assert tell(row(sluid="s5K1KKYAYG5D00"))[0].run.run == "s5K1KKYAYG5D00"


def test_a_half_written_row_waits_until_it_is_late() -> None:
    assert tell(row(partition="", ended=980.0)) == []
    assert len(tell(row(partition="", ended=960.0))) == 2


@pytest.mark.parametrize(
    ("workflow_from", "changes", "workflow"),
    [
        (("comment", "wckey", "name"), {"comment": "a\nb", "wckey": "w"}, "a\nb"),
        (("comment", "wckey", "name"), {"wckey": "w"}, "w"),
        (("comment", "wckey", "name"), {"wckey": "*w"}, "w"),
        (("comment", "wckey", "name"), {}, "reco"),
        (("array", "name"), {"address": "4_2"}, "array-4"),
        (("array", "name"), {}, "reco"),
        (("comment",), {}, ""),
        (("comment",), {"comment": "x" * 1000}, "x" * (256 - len("tester/"))),
    ],
)
def test_the_workflow_is_the_first_word_there_is(
    workflow_from: tuple[str, ...], changes: dict[str, object], workflow: str
) -> None:
    assert tell(row(**changes), workflow_from=workflow_from)[0].facts.workflow == (
        f"tester/{workflow}" if workflow else ""
    )


def test_an_unknown_source_of_workflows_is_refused() -> None:
    with pytest.raises(ValueError, match="'qos'.* none of comment, wckey, array, name"):
        SlurmScheduler("testbed", ("comment", "qos"))
    with pytest.raises(ValueError, match="pattern needs workflow_pattern"):
        SlurmScheduler("testbed", ("pattern", "name"))


@pytest.mark.parametrize(
    ("name", "workflow"),
    [
        ("reco-2026-part17", "tester/reco-2026"),
        ("other", "tester/other"),
        ("-part1", "tester/-part1"),
    ],
)
def test_a_pattern_takes_the_workflow_out_of_the_name(name: str, workflow: str) -> None:
    pattern = r"^(?P<workflow>.+)-part\d+$"
    (start, _) = tell(row(name=name), workflow_from=("pattern", "name"), pattern=pattern)
    assert start.facts.workflow == workflow


@pytest.mark.parametrize(
    ("pattern", "problem"), [("(", "workflow_pattern: missing"), ("(?P<name>.)", "has no group")]
)
def test_a_pattern_of_no_use_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        sources(("pattern",), pattern)


@pytest.mark.parametrize(
    ("state", "code", "signal", "key"),
    [
        ("COMPLETED", 0, 0, "exit:0"),
        ("FAILED", 3, 0, "exit:3"),
        ("FAILED", 0, 11, "signal:11"),
        ("FAILED", 139, 0, "signal:11"),
        ("OUT_OF_MEMORY", 0, 125, "out_of_memory"),
        ("TIMEOUT", 0, 0, "timeout"),
        ("CANCELLED by 0", 0, 0, "cancelled"),
        ("NODE_FAIL", 0, 0, "node_failure"),
        ("PREEMPTED", 0, 0, "preempted"),
        ("REQUEUED", 3, 0, "exit:3"),  # what is left of a state that a requeue overwrote
        ("REQUEUED", 0, 125, "out_of_memory"),
        ("REQUEUED", 0, 11, "signal:11"),
        ("REQUEUED", 0, 0, "unknown"),
        ("REQUEUED", 0, 15, "unknown"),
        ("FAILED", None, None, "exit:?"),  # of slurmrestd 22.05
    ],
)
def test_ends_are_told_apart(state: str, code: int | None, signal: int | None, key: str) -> None:
    assert outcome(row(state=state, code=code, signal=signal)).key == key
