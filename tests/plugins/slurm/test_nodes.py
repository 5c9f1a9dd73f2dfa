"""Nodes: what sinfo and sacctmgr say, read; and real nodes drained, resumed and lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.plugins.scheduler import Nodes, Outage
from jobmend.plugins.slurm.nodes import NodeState, events, is_fit, joined, node_states
from tests.plugins.slurm.changing import LostNode

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

REASON = 'disk | "x"\nNode|c|evil|nonsense'
# As sacctmgr 22.05 prints it.
EVENTS = f"""\
Node|testbed|n1|1000|1060|DRAIN|{REASON}
Node|testbed|n1|1100|1101|DOWN|fan 100%|
Cluster|testbed||900|Unknown||Cluster Registered TRES
Node|testbed|n2|1200|Unknown|DOWN*|Not responding
Node|testbed|n3|1200|Unknown|PLANNED|
"""
N2 = Outage("n2", 1200.0, None, "DOWN*", "Not responding")


def in_state(node: str, state: str, site: str = "main", since: float | None = None) -> NodeState:
    return NodeState(node, site, state, since, "" if since is None else "why")


def test_events_are_outages_and_a_reason_may_hold_anything() -> None:
    assert events(EVENTS) == [
        Outage("n1", 1000.0, 1060.0, "DRAIN", REASON),
        Outage("n1", 1100.0, 1101.0, "DOWN", "fan 100%|"),
        N2,
    ]
    assert events("") == []


@given(st.text(), st.text())
def test_no_reason_can_move_a_cell(reason: str, other: str) -> None:
    cells = ["n1", "main", "down*", "1200", reason, "n2", "main", "idle", "Unknown", other]
    text = "".join(cell + "<5f0c>" for cell in cells[:5]) + "\n"
    text += "".join(cell + "<5f0c>" for cell in cells[5:]) + "\n"
    first, second = node_states(text, "<5f0c>")
    assert first == NodeState("n1", "main", "DOWN*", 1200.0, reason)
    assert second == NodeState("n2", "main", "IDLE", None, other)


def test_an_answer_that_is_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="3 cells, which are no rows of 5"):
        node_states("n1|main|idle|", "|")


@pytest.mark.parametrize(
    "state", ["idle", "MIXED", "ALLOCATED+", "PLANNED", "POWERED_DOWN", "MAINT"]
)
def test_states_in_which_jobs_run(state: str) -> None:
    assert is_fit(state)


@pytest.mark.parametrize(
    "state", ["down", "DOWN*", "DRAIN", "drained", "draining", "MIXED+DRAIN", "FAIL", "ERROR"]
)
def test_states_in_which_none_should(state: str) -> None:
    assert not is_fit(state)


def test_what_is_out_now_and_has_no_event_is_told_from_its_reason_on() -> None:
    now = [in_state("n1", "IDLE"), in_state("n2", "MIXED+DRAIN", since=1300.0)]
    now.append(in_state("n2", "MIXED+DRAIN", "siteB", since=1300.0))
    assert joined(now, [], 0.0) == Nodes(
        {"main": ("n1", "n2"), "siteB": ("n2",)},
        (Outage("n2", 1300.0, None, "MIXED+DRAIN", "why"),),
    )


def test_an_event_that_nobody_closed_is_believed_of_a_node_that_is_out() -> None:
    assert joined([in_state("n2", "DOWN*", since=1200.0)], [N2], 0.0).outages == (N2,)
    assert joined([in_state("n2", "IDLE")], [N2], 0.0).outages == ()
    assert joined([], [N2], 0.0).outages == ()  # a node that is no more


def test_what_was_over_before_is_left_out() -> None:
    told = events(EVENTS)[:2]
    assert [outage.since for outage in joined([], told, 1060.0).outages] == [1100.0]


# ---- on a real Slurm -----------------------------------------------------------------------------


def outages(slurm: Cluster, node: str, reader: str = "sacct") -> list[Outage]:
    told = slurm.scheduler(reader=reader).nodes(time.time() - 600).outages
    return [outage for outage in told if outage.node == node]


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.slurm
def test_a_drain_is_an_interval_with_its_reason(slurm: Cluster) -> None:
    node, began = slurm.nodes[1], time.time()
    drain = ("scontrol", "update", f"NodeName={node}", "State=DRAIN", f"Reason={REASON}")
    slurm.run(*drain)
    try:
        until(lambda: [o.reason for o in outages(slurm, node) if o.until is None] == [REASON])
        (told,) = outages(slurm, node, "rest")
        assert (told.reason, told.until) == (REASON, None) and "DRAIN" in told.state
        sites = slurm.scheduler().nodes(0.0).sites
        assert sites["main"] == slurm.nodes and sites["siteB"] == slurm.nodes[1:]
        assert slurm.scheduler(reader="rest").nodes(0.0).sites == sites
        time.sleep(1.1)
    finally:
        slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    until(lambda: [o for o in outages(slurm, node) if o.until is not None and o.since >= began - 1])
    (outage,) = [o for o in outages(slurm, node) if o.since >= began - 1]
    assert outage.reason == REASON and outage.until is not None
    assert began - 1 <= outage.since < outage.until <= time.time() + 1


@pytest.mark.slurm
def test_a_node_that_drains_under_a_job_is_told_before_the_job_ends(slurm: Cluster) -> None:
    node = slurm.nodes[1]
    job_id = slurm.submit("sleep 300", f"--nodelist={node}")
    slurm.wait(job_id, "RUNNING")
    slurm.run("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=soon")
    try:
        until(lambda: [o.state for o in outages(slurm, node) if o.until is None] == ["DRAINING"])
    finally:
        slurm.run("scancel", job_id)
        slurm.wait(job_id, "CANCELLED")
        slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME")


@pytest.mark.slurm
def test_a_node_that_is_lost_is_told_and_its_return_too(slurm: Cluster) -> None:
    node = slurm.nodes[2]
    lost = LostNode(slurm, node)
    lost.kill()
    try:
        until(lambda: [o for o in outages(slurm, node) if o.until is None])
        (open_now,) = [o for o in outages(slurm, node) if o.until is None]
        assert open_now.state.startswith("DOWN") and open_now.reason == "Not responding"
    finally:
        lost.revive()
    # The controller tells the database of the end some time after it.
    until(lambda: closed_since(slurm, node, open_now.since))
    (closed,) = closed_since(slurm, node, open_now.since)
    assert closed.until is not None and closed.until >= closed.since  # whole seconds


def closed_since(slurm: Cluster, node: str, since: float) -> list[Outage]:
    """The outages of a node that began about then and are over."""
    told = [o for o in outages(slurm, node) if abs(o.since - since) <= 2]
    return [outage for outage in told if outage.until is not None]
