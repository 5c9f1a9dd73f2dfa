"""HTCondor: a cgroup is a slot's, so which run it measures is told by hooks, a pid or processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from jobmend.agent.registry import Registry
from jobmend.agent.trace import JobTrace
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.plugins.hook import UNTOLD_CLUSTER
from jobmend.plugins.layout import Identity, JobPath, Unidentified

ROOT, ALICE, BOB, CAROL = 0, 1000, 1001, 1002
SLOT = "slot1_1@n1"
PATH = JobPath("htcondor", "", slot=SLOT)
FIRST = Run("c1", "htcondor", "2.0", "n1#2.0#900#1")
NEXT = Run("c1", "htcondor", "3.0", "n1#3.0#900#1")
DONE = Exit("htcondor", ExitKind.SUCCESS, 0)

Seen = Callable[..., JobTrace]


def start(run: Run = FIRST, time: float = 999.0, slot: str = SLOT, pid: int = 0) -> JobEvent:
    return JobEvent(EventKind.START, run, time, "n1", JobFacts(user="u", slot=slot, pid=pid))


def end(run: Run = FIRST, time: float = 1050.0, slot: str = SLOT) -> JobEvent:
    return JobEvent(EventKind.END, run, time, "n1", JobFacts(slot=slot), exit=DONE)


def hear(registry: Registry, event: JobEvent, uid: int, now: float = 0.0) -> str:
    return registry.hear(event, uid, uid == ROOT, now).result


def run_of(registry: Registry, trace: JobTrace) -> Run | None:
    tracked = registry.measured_by(trace)
    return None if tracked is None else tracked.run


def renew(registry: Registry, seen: Seen, now: float) -> list[JobTrace]:
    """Begin anew what the registry wants begun anew, as the sampler does."""
    made = []
    for trace in registry.take_reused():
        registry.vanished(trace, now)
        made.append(seen(epoch=1100.0))
        registry.appeared(PATH, made[-1], now)
    return made


def test_a_hook_that_knows_neither_cluster_nor_node_is_of_the_agent_s(registry: Registry) -> None:
    untold = dataclasses.replace(FIRST, cluster=UNTOLD_CLUSTER)
    for event in (start(untold), end(untold)):
        (told,) = registry.hear(dataclasses.replace(event, node=""), ALICE, False, 0.0).events
        assert (told.run, told.node) == (FIRST, "n1")


def test_the_hook_names_the_slot_before_its_cgroup_is_there(registry: Registry, seen: Seen) -> None:
    assert hear(registry, start(), ALICE) == "accepted"
    other, ours = seen(), seen()
    registry.appeared(JobPath("htcondor", "", slot="slot1_11@n1"), other, 1.0)
    registry.appeared(PATH, ours, 1.0)
    assert (run_of(registry, other), run_of(registry, ours)) == (None, FIRST)
    assert registry.take_reused() == []


def test_a_slot_without_a_host_means_the_one_here(registry: Registry, seen: Seen) -> None:
    hear(registry, start(slot="slot1_1"), ROOT)
    trace = seen()
    registry.appeared(PATH, trace, 1.0)
    assert run_of(registry, trace) == FIRST


def test_two_startds_on_a_machine_keep_their_slots_apart(registry: Registry, seen: Seen) -> None:
    hear(registry, start(slot="slot1_1@a@n1"), ROOT)
    hear(registry, start(NEXT, slot="slot1_1@b@n1"), ROOT)
    traces = [seen(), seen()]
    for name, trace in zip("ab", traces):
        registry.appeared(JobPath("htcondor", "", slot=f"slot1_1@{name}@n1"), trace, 1.0)
    assert [run_of(registry, trace) for trace in traces] == [FIRST, NEXT]


def test_a_hook_names_a_cgroup_that_was_seen_before(registry: Registry, seen: Seen) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    assert run_of(registry, trace) is None
    assert hear(registry, start(), ALICE, 1.0) == "accepted"
    assert run_of(registry, trace) == FIRST
    assert registry.take_reused() == []


def test_an_agent_that_came_late_learns_the_run_from_a_later_hook(
    registry: Registry, seen: Seen
) -> None:
    trace = seen(epoch=1000.0)
    registry.appeared(PATH, trace, 0.0)
    assert hear(registry, start(time=1300.0, pid=77), ALICE, 300.0) == "accepted"
    assert run_of(registry, trace) == FIRST
    assert registry.take_reused() == []


def test_an_end_alone_names_the_run_in_its_slot(registry: Registry, seen: Seen) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    heard = registry.hear(end(), ALICE, False, 50.0)
    assert [(one.kind, one.run) for one in heard.events] == [
        (EventKind.START, FIRST),
        (EventKind.END, FIRST),
    ]
    assert heard.events[1].trace is not None


def test_a_late_end_does_not_name_the_job_that_followed(registry: Registry, seen: Seen) -> None:
    trace = seen(epoch=1060.0)
    registry.appeared(PATH, trace, 60.0)
    heard = registry.hear(end(time=1050.0), ALICE, False, 61.0)
    assert heard.result == "accepted" and heard.events[-1].trace is None
    assert run_of(registry, trace) is None


# ---- the next job in a slot ----------------------------------------------------------------------


@pytest.mark.parametrize("end_first", [True, False])
def test_a_cgroup_made_anew_is_the_next_runs(
    registry: Registry, seen: Seen, end_first: bool
) -> None:
    hear(registry, start(), ALICE)
    first, second = seen(), seen(epoch=1100.0)
    registry.appeared(PATH, first, 1.0)
    if end_first:
        assert hear(registry, end(), ALICE, 50.0) == "accepted"
    registry.vanished(first, 51.0)
    if not end_first:
        assert hear(registry, end(), ALICE, 52.0) == "accepted"
    assert hear(registry, start(NEXT, 1099.0), BOB, 53.0) == "accepted"
    assert registry.take_reused() == []
    registry.appeared(PATH, second, 54.0)
    assert (run_of(registry, first), run_of(registry, second)) == (FIRST, NEXT)


def test_a_cgroup_that_stays_is_begun_anew(registry: Registry, seen: Seen) -> None:
    hear(registry, start(), ALICE)
    first = seen()
    registry.appeared(PATH, first, 1.0)
    hear(registry, end(), ALICE, 50.0)  # a process that cannot be killed keeps the cgroup
    assert hear(registry, start(NEXT, 1099.0), BOB, 99.0) == "accepted"
    (second,) = renew(registry, seen, 100.0)
    assert (run_of(registry, first), run_of(registry, second)) == (FIRST, NEXT)
    assert registry.take_reused() == []
    heard = registry.hear(end(NEXT, 1200.0), BOB, False, 200.0)
    assert heard.events[0].trace is not None
    assert registry.due(300.0, 1300.0) == []


def test_a_slot_that_stays_for_long_after_an_end_is_given_on(
    registry: Registry, seen: Seen
) -> None:
    hear(registry, start(), ALICE)
    registry.appeared(PATH, seen(), 1.0)
    hear(registry, end(), ALICE, 50.0)
    registry.due(2000.0, 3000.0)
    hear(registry, start(NEXT, 3000.0), BOB, 2001.0)
    (second,) = renew(registry, seen, 2002.0)
    assert run_of(registry, second) == NEXT


def test_a_run_whose_end_was_lost_ends_with_the_next_start(registry: Registry, seen: Seen) -> None:
    hear(registry, start(), ROOT)
    first = seen()
    registry.appeared(PATH, first, 1.0)
    hear(registry, start(NEXT, 1099.0), ROOT, 99.0)
    (second,) = renew(registry, seen, 100.0)
    assert run_of(registry, second) == NEXT
    (told,) = registry.due(106.0, 1106.0)
    assert (told.kind, told.run) == (EventKind.END, FIRST)
    assert told.exit is not None and told.exit.kind is ExitKind.UNKNOWN


def test_a_cgroup_removed_after_it_was_begun_anew_does_not_end_the_next_run(
    registry: Registry, seen: Seen
) -> None:
    hear(registry, start(), ALICE)
    registry.appeared(PATH, seen(), 1.0)
    hear(registry, end(), ALICE, 50.0)
    hear(registry, start(NEXT, 1099.0), ALICE, 99.0)
    (second,) = renew(registry, seen, 100.0)
    registry.vanished(second, 101.0)  # the removal was late, the next run's own comes now
    third = seen(epoch=1102.0)
    registry.appeared(PATH, third, 102.0)
    assert run_of(registry, third) == NEXT
    assert registry.due(200.0, 1200.0) == []


def test_an_unnamed_job_in_the_cgroup_is_over_when_another_starts(
    registry: Registry, seen: Seen
) -> None:
    first = seen(epoch=1000.0)
    registry.appeared(PATH, first, 0.0)
    hear(registry, start(NEXT, 1500.0), ROOT, 500.0)
    (second,) = renew(registry, seen, 501.0)
    assert (run_of(registry, first), run_of(registry, second)) == (None, NEXT)
    registry.due(506.0, 1506.0)
    assert registry.errors == {"unnamed": 1}


def test_without_hooks_a_slot_is_each_time_another_run(registry: Registry, seen: Seen) -> None:
    for second in range(3):
        trace = seen()
        registry.appeared(PATH, trace, second + 0.0)
        registry.vanished(trace, second + 0.5)
    registry.due(20.0, 1020.0)
    assert registry.errors == {"unnamed": 3}


# ---- by a pid -----------------------------------------------------------------------------------


def test_a_pid_leads_to_the_slot(registry: Registry, processes: Any, seen: Seen) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    hear(registry, start(slot=""), ALICE, 1.0)
    assert hear(registry, start(slot="", pid=77), ALICE, 2.0) == "accepted"
    assert hear(registry, start(slot="", pid=77), ALICE, 3.0) == "duplicate"
    processes.paths, processes.owners = {77: PATH}, {77: ALICE}
    registry.due(3.0, 1003.0)
    assert run_of(registry, trace) == FIRST
    assert len(registry.runs()) == 1


def test_a_pid_that_comes_before_the_cgroup_was_seen(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    hear(registry, start(slot="", pid=77), ALICE, 1.0)
    processes.paths, processes.owners = {77: PATH}, {77: ALICE}
    registry.due(2.0, 1002.0)
    trace = seen()
    registry.appeared(PATH, trace, 3.0)
    assert run_of(registry, trace) == FIRST


def test_the_pid_of_another_user_leads_nowhere(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    processes.paths, processes.owners = {77: PATH}, {77: ALICE}
    hear(registry, start(NEXT, slot="", pid=77), BOB, 1.0)
    registry.due(2.0, 1002.0)
    assert run_of(registry, trace) is None
    assert registry.errors == {"slot_mismatch": 1}


def test_a_process_outside_of_any_slot_is_said(registry: Registry, processes: Any) -> None:
    processes.owners = {77: ALICE}
    hear(registry, start(slot="", pid=77), ALICE, 1.0)
    for now in (2.0, 3.0, 60.0):
        registry.due(now, 1002.0)
    assert registry.errors == {"no_job_cgroup": 1}


def test_the_kernel_is_believed_where_a_hook_names_another_slot(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    processes.paths, processes.owners = {77: PATH}, {77: ALICE}
    hear(registry, start(slot="slot9@n1", pid=77), ALICE, 1.0)
    registry.due(2.0, 1002.0)
    assert run_of(registry, trace) == FIRST
    assert registry.errors == {"slot_mismatch": 1}


def test_a_run_whose_hooks_tell_neither_slot_nor_pid(registry: Registry) -> None:
    hear(registry, start(slot=""), ALICE)
    hear(registry, end(slot=""), ALICE, 9.0)
    assert registry.errors == {"slot_unknown": 1}


# ---- by the environment of its processes ---------------------------------------------------------

FOUND = Identity(FIRST.job_id, FIRST.run, "alice", ALICE, 990.0)


def test_without_hooks_the_processes_name_the_run(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    processes.identity = FOUND
    assert registry.due(1.0, 1001.0) == []
    assert run_of(registry, trace) == FIRST
    (began,) = registry.due(5.0, 1005.0)
    assert (began.run, began.facts) == (FIRST, JobFacts(user="alice", slot=SLOT))


def test_a_hook_goes_before_the_processes(registry: Registry, processes: Any, seen: Seen) -> None:
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    processes.identity = FOUND
    registry.due(1.0, 1001.0)
    assert hear(registry, start(NEXT), ALICE, 2.0) == "accepted"
    assert run_of(registry, trace) == NEXT


def test_processes_cannot_take_the_name_of_a_run_that_a_hook_told(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    hear(registry, start(slot="slot1_7@n1"), ALICE)
    trace = seen()
    registry.appeared(PATH, trace, 0.0)
    processes.identity = dataclasses.replace(FOUND, uid=BOB)
    registry.due(1.0, 1001.0)
    assert run_of(registry, trace) is None
    assert registry.errors == {"environ_conflict": 1}


@pytest.mark.parametrize("reason", ["environ_denied", "slot_mismatch"])
def test_processes_that_may_not_be_asked_count_once_for_a_job(
    registry: Registry,
    processes: Any,
    seen: Seen,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    processes.problem = Unidentified(reason, "why")
    for number in (1, 2):
        path = JobPath("htcondor", "", slot=f"slot1_{number}@n1")
        registry.appeared(path, seen(), 0.0)
    for now in range(100):
        registry.due(float(now), 1000.0 + now)
    assert registry.errors == {reason: 2}
    assert len(caplog.records) == 1


def test_a_question_that_fails_does_not_cost_the_others_their_events(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    processes.problem = RuntimeError("broken")
    registry.appeared(PATH, seen(), 0.0)
    registry.appeared(JobPath("slurm", "42"), seen(), 0.0)
    assert [event.run.job_id for event in registry.due(5.0, 1005.0)] == ["42"]


# ---- users who tell of what is not theirs --------------------------------------------------------


def test_nobody_names_the_slot_in_which_anothers_processes_live(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    trace = seen("alices")
    registry.appeared(PATH, trace, 0.0)
    processes.users = {"alices": frozenset({ALICE})}
    assert not registry.may_claim("htcondor", SLOT, BOB)
    assert registry.may_claim("htcondor", SLOT, ALICE)
    assert hear(registry, start(NEXT), BOB, 1.0) == "untrusted"
    assert hear(registry, end(NEXT), BOB, 1.0) == "untrusted"
    assert hear(registry, start(), ALICE, 2.0) == "accepted"
    assert hear(registry, end(), BOB, 3.0) == "untrusted"
    assert run_of(registry, trace) == FIRST
    hear(registry, end(), ALICE, 4.0)
    assert registry.may_claim("htcondor", SLOT, BOB)  # what is left there has ended
    assert registry.may_claim("htcondor", "slot1_2@n1", BOB)


def test_a_slot_cannot_be_claimed_away_from_a_run_that_goes_on(
    registry: Registry, seen: Seen
) -> None:
    hear(registry, start(), ALICE)
    trace = seen()  # no process lives there at this moment
    registry.appeared(PATH, trace, 1.0)
    assert hear(registry, start(NEXT, 1099.0), BOB, 99.0) == "accepted"  # of a run of his own
    assert registry.take_reused() == []
    assert run_of(registry, trace) == FIRST
    assert registry.due(200.0, 1200.0) == []


def test_the_slot_is_the_next_users_once_his_processes_live_there(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    hear(registry, start(), ALICE)
    registry.appeared(PATH, seen("slot"), 1.0)
    hear(registry, start(NEXT, 1099.0), BOB, 99.0)  # and the end of the first was lost
    processes.users = {"slot": frozenset({ALICE, BOB})}
    registry.due(100.0, 1100.0)
    (second,) = renew(registry, seen, 101.0)
    assert run_of(registry, second) == NEXT


def test_a_claim_is_void_when_another_users_processes_are_found(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    hear(registry, start(), ALICE)
    hear(registry, start(NEXT), BOB)  # the newest claim, and a lie
    trace = seen("slot")
    registry.appeared(PATH, trace, 1.0)
    assert run_of(registry, trace) == NEXT
    processes.users = {"slot": frozenset({ALICE})}
    registry.due(2.0, 1002.0)
    assert run_of(registry, trace) == FIRST
    assert registry.errors == {"slot_mismatch": 1}
    assert hear(registry, start(NEXT, pid=5), BOB, 3.0) == "duplicate"


def test_a_void_claim_leaves_the_cgroup_to_whom_it_may_concern(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    hear(registry, start(NEXT), BOB)
    trace = seen("slot")
    registry.appeared(PATH, trace, 1.0)
    processes.users = {"slot": frozenset({ALICE})}
    registry.due(2.0, 1002.0)
    assert run_of(registry, trace) is None
    hear(registry, start(pid=77), ALICE, 3.0)
    assert run_of(registry, trace) == FIRST


def test_a_run_named_by_its_processes_is_its_users(
    registry: Registry, processes: Any, seen: Seen
) -> None:
    registry.appeared(PATH, seen(), 0.0)
    processes.identity = FOUND
    registry.due(1.0, 1001.0)
    assert hear(registry, end(), BOB, 2.0) == "untrusted"
    assert hear(registry, start(NEXT), BOB, 2.0) == "untrusted"
    assert hear(registry, end(), ALICE, 3.0) == "accepted"
