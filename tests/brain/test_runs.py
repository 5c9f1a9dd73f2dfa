"""A run's record out of its events, whatever order they come in."""

from __future__ import annotations

import dataclasses
import itertools

from jobmend.brain.runs import view
from jobmend.jobs.events import EventKind, JobEvent, TraceSummary
from jobmend.jobs.exits import Exit, ExitKind
from tests.brain.scene import BUG, NOW, OK, OOM, TIMEOUT, told


def exits_of(*events: JobEvent) -> set[Exit | None]:
    """The exits of the record over all orders of the events: one, if order is of no account."""
    records = {view(order) for order in itertools.permutations(events)}
    assert len(records) == 1
    return {record.exit for record in records if record is not None}


def test_accounting_beats_the_node_and_order_does_not_matter() -> None:
    end = told("end", 1, node="n1", exit=OK)
    outcome = told("outcome", 1, time=NOW + 1, exit=TIMEOUT)
    assert exits_of(told("start", 1, time=NOW - 9, node="n1"), end, outcome) == {TIMEOUT}


def test_a_daemon_that_tells_an_end_is_no_node() -> None:
    ctld = told("end", 1, time=NOW, node="slurmctld@head")
    assert exits_of(ctld) == {Exit("memory", ExitKind.UNKNOWN)}
    record = view([ctld, told("start", 1, time=NOW - 9), told("end", 1, node="n1", exit=BUG)])
    assert record is not None and (record.node, record.exit) == ("n1", BUG)


def test_an_end_beats_nothing_and_an_unknown_one_beats_no_other() -> None:
    unknown = Exit("memory", ExitKind.UNKNOWN)
    assert exits_of(told("start", 1, node="n1")) == {None}
    assert exits_of(told("start", 1), told("end", 1, node="n1", exit=BUG)) == {BUG}
    assert exits_of(told("end", 1, node="n1", exit=unknown), told("outcome", 1, exit=BUG)) == {BUG}
    assert exits_of(told("outcome", 1, exit=unknown), told("end", 1, node="n1", exit=BUG)) == {BUG}
    assert exits_of(told("end", 1, node="n1")) == {unknown}, "it ended, nobody knows how"


def test_of_several_nodes_the_gravest_end_counts() -> None:
    good, bad = told("end", 1, node="n1", exit=OK), told("end", 1, node="n2", exit=OOM)
    assert exits_of(good, bad) == {OOM}


def test_facts_are_joined_and_accountings_win() -> None:
    start = told("start", 1, time=NOW - 60, node="n1", user="alice", site="")
    listed = told("start", 1, time=NOW - 59, workflow="w9", site="s2")
    stall = told("stall", 1, node="n1")
    record = view([stall, listed, start])
    assert record is not None
    assert (record.facts.workflow, record.facts.site, record.facts.user) == ("w9", "s2", "alice")
    assert (record.started, record.ended, record.node) == (NOW - 59, None, "n1")
    assert record.warnings == (EventKind.STALL,)
    assert view([]) is None


def test_the_last_trace_of_a_node_stands_for_the_run() -> None:
    early, late, elsewhere = (TraceSummary(seconds, 1) for seconds in (4.0, 10.0, 12.0))
    events = [
        dataclasses.replace(told("contention", 1, node="n1", time=NOW - 6), trace=early),
        dataclasses.replace(told("end", 1, node="n1", exit=OK, time=NOW - 1), trace=late),
        dataclasses.replace(told("end", 1, node="n2", exit=OK), trace=elsewhere),
    ]
    for order in itertools.permutations(events):
        record = view(order)
        assert record is not None and (record.node, record.trace) == ("n1", late)
