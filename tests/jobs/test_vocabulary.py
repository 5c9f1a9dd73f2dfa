"""Keys, records, actions and texts."""

from __future__ import annotations

import pytest

from jobmend.jobs.actions import NEXT_STATES, Action, ActionKind, Advice, Evidence, State
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import posix_exit
from jobmend.jobs.identity import Run, Workflow
from jobmend.jobs.records import RunRecord, WorkflowRecord
from jobmend.jobs.text import printable
from jobmend.jobs.windows import WindowLength

RUN = Run("alpha", "slurm", "42", "0")


def test_a_run_key_reads_back() -> None:
    assert RUN.key == "alpha/slurm/42/0"
    assert Run.from_key(RUN.key) == RUN
    with pytest.raises(ValueError, match="is no run key"):
        Run.from_key("alpha/slurm/42")
    with pytest.raises(ValueError, match="is no run key"):
        Run.from_key("alpha//42/0")


def test_each_node_tells_an_end_once() -> None:
    on_two = {JobEvent(EventKind.END, RUN, 1.0, node).key for node in ("n1", "n2")}
    assert on_two == {"alpha/slurm/42/0/end/n1", "alpha/slurm/42/0/end/n2"}


def test_only_what_is_set_counts_as_a_parameter() -> None:
    action = Action(ActionKind.RECOVER, memory_bytes=1024, sites_avoid=("b",))
    assert action.parameters() == {"memory_bytes": 1024, "sites_avoid": ["b"]}
    assert Action(ActionKind.WAIT).parameters() == {}


def test_every_state_leads_somewhere_or_is_an_end() -> None:
    assert set(NEXT_STATES) == set(State)
    ends = {state for state, following in NEXT_STATES.items() if not following}
    assert ends == {State.REJECTED, State.EXPIRED, State.FAILED, State.VERIFIED}


def test_the_probability_of_an_advice_is_that_of_its_action() -> None:
    shares = {ActionKind.RECOVER: 0.9, ActionKind.ASK: 0.1}
    advice = Advice("memory", Action(ActionKind.RECOVER), (RUN,), shares, (Evidence("rule", "x"),))
    assert advice.probability == 0.9


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (WindowLength(32, 1.0), True),
        (WindowLength(32, 1.3), True),  # a busy node
        (WindowLength(32, 0.8), True),
        (WindowLength(32, 2.0), False),
        (WindowLength(32, 0.5), False),
        (WindowLength(32, 15.0), False),
        (WindowLength(31, 1.0), False),
        (WindowLength(32, 0.0), False),
        (WindowLength(32, float("nan")), False),
    ],
)
def test_windows_are_as_long_where_steps_are_as_many_and_as_long(
    other: WindowLength, same: bool
) -> None:
    one = WindowLength(32, 1.0)
    assert one.same(other) is same is other.same(one)
    assert (str(one), one.seconds) == ("32 steps of 1 s", 32.0)


def test_usual_steps_are_told_apart() -> None:
    usual = [WindowLength(32, step) for step in (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)]
    assert all(one.same(other) is (one is other) for one in usual for other in usual)


def test_a_workflow_knows_its_failed_and_running_runs() -> None:
    records = [
        RunRecord(Run("a", "local", str(index), "r"), JobFacts(), exit=end)
        for index, end in enumerate((posix_exit(0, None), posix_exit(1, None), None))
    ]
    record = WorkflowRecord(Workflow("a", "w"), tuple(records))
    assert [failed.run.job_id for failed in record.failed] == ["1"]
    assert [running.run.job_id for running in record.running] == ["2"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("line\nforged", "line\ufffdforged"),
        ("a\u202eb", "a\ufffdb"),  # right-to-left override
        ("\udc80", "\ufffd"),  # undecodable byte
    ],
)
def test_strangers_text_is_made_safe(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_text_is_bounded() -> None:
    assert printable("x" * 10_000_000, limit=10) == "x" * 9 + "…"
    assert printable("x" * 10, limit=10) == "x" * 10
