"""Hook and accounting contradict each other, and accounting itself: what is recorded, and noted."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmend.brain import audit, recommendations, runs, truth, workflows
from jobmend.brain.brain import Brain
from jobmend.jobs.actions import Action, ActionKind, Advice, Outcome, State
from jobmend.jobs.exits import Exit, ExitKind, htcondor_exit, posix_exit, slurm_exit
from jobmend.jobs.identity import Workflow
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, TIMEOUT, Clock, MemoryScheduler, ended, run_of, told

UNKNOWN = Exit("memory", ExitKind.UNKNOWN)
REQUEUED = Exit("slurm", ExitKind.UNKNOWN, 0, None, "REQUEUED")
CANCELLED = slurm_exit("CANCELLED by 20001", 0, 15, "by 20001")
NODE_FAIL = slurm_exit("NODE_FAIL", 0, 0)
PREEMPTED = slurm_exit("PREEMPTED", 0, 15)
OOM = slurm_exit("OUT_OF_MEMORY", 0, 125)
HOOK_OK, HOOK_3 = slurm_exit("", 0, 0), slurm_exit("", 3, 0)
HOOK_TERM, HOOK_SEGV = slurm_exit("", 0, 15), slurm_exit("", 0, 11)
HOOK_HOLD = Exit("htcondor", ExitKind.HELD, signal=9)
HOOK_EVICT = Exit("htcondor", ExitKind.PREEMPTED, signal=15)
HELD = htcondor_exit(5, None, None, 3, "The job attribute PeriodicHold")
HELD_MEMORY = htcondor_exit(5, None, None, 34, "Job has gone over cgroup memory limit")
HELD_BARE = htcondor_exit(5, None, None)
REMOVED = htcondor_exit(3, None, None)


@pytest.mark.parametrize(
    ("hook", "accounting", "recorded"),
    [
        (HOOK_OK, TIMEOUT, ExitKind.TIMEOUT),
        (HOOK_OK, CANCELLED, ExitKind.CANCELLED),
        (HOOK_OK, NODE_FAIL, ExitKind.NODE_FAILURE),
        (HOOK_OK, PREEMPTED, ExitKind.PREEMPTED),
        (HOOK_TERM, PREEMPTED, ExitKind.PREEMPTED),
        (slurm_exit("", 0, 125), OOM, ExitKind.OUT_OF_MEMORY),
        (HOOK_OK, OOM, ExitKind.OUT_OF_MEMORY),
        (HOOK_OK, slurm_exit("COMPLETED", 0, 0), ExitKind.SUCCESS),
        (HOOK_3, slurm_exit("FAILED", 3, 0), ExitKind.ERROR),
        (HOOK_HOLD, HELD, ExitKind.HELD),
        (HOOK_HOLD, HELD_MEMORY, ExitKind.OUT_OF_MEMORY),
        (HOOK_EVICT, HELD, ExitKind.HELD),
        (HOOK_EVICT, UNKNOWN, ExitKind.PREEMPTED),
        (HOOK_EVICT, REMOVED, ExitKind.CANCELLED),
        (None, NODE_FAIL, ExitKind.NODE_FAILURE),  # a lost node's hook never speaks
        (None, REQUEUED, ExitKind.UNKNOWN),
        (HOOK_OK, UNKNOWN, ExitKind.SUCCESS),
        (HOOK_OK, htcondor_exit(4, None, None), ExitKind.SUCCESS),
        (HOOK_OK, REQUEUED, ExitKind.UNKNOWN),  # a timeout looks like success in a hook
        (HOOK_TERM, REQUEUED, ExitKind.UNKNOWN),  # how Slurm stops what it requeues
        (HOOK_3, REQUEUED, ExitKind.ERROR),
        (HOOK_SEGV, REQUEUED, ExitKind.SIGNAL),
        (slurm_exit("", 0, 125), REQUEUED, ExitKind.OUT_OF_MEMORY),
        (HOOK_OK, slurm_exit("REQUEUED", 3, 0), ExitKind.ERROR),
        (UNKNOWN, OOM, ExitKind.OUT_OF_MEMORY),
        (BUG, None, ExitKind.ERROR),  # accounting owes its word
    ],
    ids=lambda exit: "-" if exit is None else getattr(exit, "state", "") or str(exit)[:40],
)
def test_what_is_recorded(hook: Exit | None, accounting: Exit | None, recorded: ExitKind) -> None:
    events = [told("start", 1, time=NOW - 60)]
    if hook is not None:
        events.append(told("end", 1, node="n1", exit=hook))
    if accounting is not None:
        events.append(told("outcome", 1, exit=accounting, time=NOW + 5))
    for order in itertools.permutations(events):
        record = runs.view(order)
        assert record is not None and record.exit is not None
        assert record.exit.kind is recorded


def test_an_overwritten_end_keeps_the_time_the_node_saw() -> None:
    end = told("end", 1, node="n1", exit=HOOK_3, time=NOW)
    record = runs.view([end, told("outcome", 1, exit=REQUEUED, time=NOW + 500)])
    assert record is not None and record.ended == NOW


def test_an_end_that_a_node_told_before_the_run_began_is_another_runs() -> None:
    early = told("end", 1, node="n1", exit=HOOK_OK, time=NOW)
    queued, began = told("queued", 1, time=NOW - 1), told("start", 1, time=NOW + 120)
    for events in ([early, queued], [early, queued, began]):
        for order in itertools.permutations(events):
            record = runs.view(order)
            assert record is not None and (record.exit, record.ended) == (None, None)
    late = told("end", 1, node="n1", exit=HOOK_3, time=NOW + 180)
    record = runs.view([queued, began, late])
    assert record is not None and record.exit == HOOK_3


REASONLESS = dataclasses.replace(HELD, reason="")


@pytest.mark.parametrize(
    ("known", "later", "corrects"),
    [
        (TIMEOUT, TIMEOUT, False),
        (TIMEOUT, UNKNOWN, False),
        (TIMEOUT, REQUEUED, False),
        (UNKNOWN, TIMEOUT, True),
        (REQUEUED, TIMEOUT, True),
        (UNKNOWN, REQUEUED, True),
        (REQUEUED, UNKNOWN, False),
        (OK, TIMEOUT, True),
        (TIMEOUT, OK, True),
        (slurm_exit("FAILED", 3, 0), slurm_exit("REQUEUED", 3, 0), False),
        (NODE_FAIL, slurm_exit("REQUEUED", 1, 0), False),
        (slurm_exit("REQUEUED", 1, 0), NODE_FAIL, True),
        (REASONLESS, HELD, True),
        (HELD, REASONLESS, False),
        (HELD_BARE, HELD_MEMORY, True),
        (HELD_MEMORY, HELD_BARE, False),
        (HELD, REMOVED, True),
        (posix_exit(None, 9), HELD, True),
    ],
)
def test_when_accounting_corrects_itself(known: Exit, later: Exit, corrects: bool) -> None:
    assert truth.corrects(known, later) is corrects


def corrections(brain: Brain) -> list[str]:
    with brain.store.read() as db:
        entries = reversed(audit.newest(db, 99))
        return [entry.detail for entry in entries if entry.what == audit.CORRECTED]


def exit_of(brain: Brain, job: int | str = 1) -> Exit | None:
    with brain.store.read() as db:
        record = runs.load(db, run_of(job))
    return record.exit if record else None


def test_a_later_word_of_accounting_corrects_the_first_and_is_audited(
    brain: Brain, tell: Tell
) -> None:
    assert tell(told("outcome", 1, exit=UNKNOWN)).accepted == 1
    assert tell(told("outcome", 1, exit=REASONLESS)).accepted == 1
    assert tell(told("outcome", 1, exit=HELD)).accepted == 1
    assert exit_of(brain) == HELD
    assert corrections(brain) == [
        "c1/memory/1/0: accounting said unknown, accounting says held",
        "c1/memory/1/0: accounting said held,"
        " accounting says held (The job attribute PeriodicHold)",
    ]


def test_tellers_who_contradict_each_other_do_not_flap(brain: Brain, tell: Tell) -> None:
    receipts = [
        tell(told("outcome", 1, exit=exit))
        for exit in (OK, TIMEOUT, OK, UNKNOWN, TIMEOUT, OK, TIMEOUT)
    ]
    assert [receipt.accepted for receipt in receipts] == [1, 1, 0, 0, 0, 0, 0]
    assert sum(receipt.duplicates for receipt in receipts) == 5
    assert (exit_of(brain), len(corrections(brain))) == (TIMEOUT, 1)


NUMBERS = itertools.count()
WORDS = st.sampled_from(
    [OK, BUG, TIMEOUT, UNKNOWN, REQUEUED, HELD, REASONLESS, HELD_MEMORY, HELD_BARE, REMOVED]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told_in_turn=st.lists(WORDS, min_size=1, max_size=8))
def test_what_is_told_again_changes_nothing_in_whatever_order_it_came(
    brain: Brain, tell: Tell, told_in_turn: list[Exit]
) -> None:
    job = f"new{next(NUMBERS)}"
    for exit in told_in_turn:
        tell(told("outcome", job, exit=exit))
    known = exit_of(brain, job)
    assert known in told_in_turn
    again = [tell(told("outcome", job, exit=exit)).accepted for exit in told_in_turn]
    assert (sum(again), exit_of(brain, job)) == (0, known)
    if known is not None and known.kind is ExitKind.UNKNOWN:
        assert {exit.kind for exit in told_in_turn} == {ExitKind.UNKNOWN}


def test_each_node_that_contradicts_accounting_late_is_not_news(brain: Brain, tell: Tell) -> None:
    tell(told("outcome", 1, exit=TIMEOUT))
    for node in ("n1", "n2", "n3"):
        tell(told("end", 1, node=node, exit=OK))
    assert corrections(brain) == ["c1/memory/1/0: node n1 said success, accounting says timeout"]


def test_who_told_the_end_that_is_corrected_is_named(brain: Brain, tell: Tell) -> None:
    tell(told("end", 1, node="slurmctld@head", time=NOW - 1))
    tell(told("end", 1, node="n2", exit=OK))
    tell(told("outcome", 1, exit=TIMEOUT))
    assert corrections(brain) == ["c1/memory/1/0: node n2 said success, accounting says timeout"]


def test_advice_that_rested_on_the_wrong_end_is_judged_again(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock
) -> None:
    scheduler.events = ended(1, OOM)
    brain.watcher.round()
    clock.time += 60
    brain.watcher.round()
    scheduler.events = ended(1, CANCELLED)
    brain.watcher.round()
    clock.time += 60
    brain.watcher.round()
    with brain.store.read() as db:
        (only,) = recommendations.newest(db, 9)
        last = audit.of_recommendation(db, 1)[-1]
    assert (only.state, last.detail) == (State.EXPIRED, "the facts have changed")


def applied(brain: Brain, *follow_ups: int) -> Workflow:
    workflow = Workflow("c1", "w1")
    kind = ActionKind.RECOVER
    advice = Advice("transient", Action(kind), (run_of(1),), {kind: 1.0}, ())
    with brain.store.write() as db:
        proposed = recommendations.propose(db, workflow, advice, "", NOW - 800)
        recommendations.move(db, proposed, State.APPROVED, now=NOW - 790, who="me")
        new = tuple(run_of(1, number) for number in follow_ups)
        proposed = recommendations.add_follow_ups(db, proposed.id, new)
        recommendations.move(db, proposed, State.APPLIED, now=NOW - 780, who="me")
    return workflow


def test_a_verified_outcome_that_was_wrong_is_corrected_and_audited(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, BUG, time=NOW - 900))
    workflow = applied(brain, 1)
    tell(told("start", 1, number=1, time=NOW - 700))
    tell(told("end", 1, number=1, node="n1", exit=HOOK_OK, time=NOW - 600))
    brain.watcher.round()
    with brain.store.read() as db:
        assert recommendations.get(db, 1).outcome is Outcome.SUCCESS
    clock.time += 100
    tell(told("outcome", 1, number=1, exit=TIMEOUT, time=NOW - 600))
    with brain.store.read() as db:
        corrected = recommendations.get(db, 1)
        entry = audit.of_recommendation(db, 1)[-1]
        assert workflows.changed_at(db, workflow) == clock.time, "and it is judged again"
    assert (corrected.state, corrected.outcome) == (State.VERIFIED, Outcome.FAILURE)
    assert (entry.what, entry.detail) == (
        "outcome corrected",
        "verified as success, now failure: accounting corrected an end",
    )


def test_what_happened_after_a_verification_does_not_change_it(
    brain: Brain, tell: Tell, clock: Clock
) -> None:
    tell(*ended(1, BUG, time=NOW - 900))
    applied(brain, 1)
    tell(*ended(1, OK, number=1, time=NOW - 600))
    brain.watcher.round()
    clock.time += 1000
    tell(told("end", 1, number=2, node="n1", exit=HOOK_OK, time=NOW + 500))
    tell(told("outcome", 1, number=2, exit=TIMEOUT, time=NOW + 500))
    with brain.store.read() as db:
        assert recommendations.get(db, 1).outcome is Outcome.SUCCESS


def test_a_node_whose_word_stood_for_want_of_a_better_one_is_named(
    brain: Brain, tell: Tell
) -> None:
    for event in (
        told("end", 1, node="n1", exit=BUG),
        told("outcome", 1, exit=UNKNOWN),
        told("outcome", 1, exit=TIMEOUT),
    ):
        tell(event)
    assert corrections(brain) == ["c1/memory/1/0: node n1 said exit 3, accounting says timeout"]
