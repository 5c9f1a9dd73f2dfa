from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from jobmend.agent import registry as module
from jobmend.agent.cgroups import Sighting
from jobmend.agent.files import Descriptors
from jobmend.agent.registry import Registry, Rules
from jobmend.agent.trace import JobTrace
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.plugins.layout import Identity, JobPath

ROOT, ALICE, BOB = 0, 1000, 1001
RUN = Run("c1", "slurm", "42", "1")
PATH = JobPath("slurm", "42")  # tells no run
SLUID = "s5K1KKYAYG5D00"
FAILED = Exit("slurm", ExitKind.ERROR, 3)


RULES = Rules("c1", "n1", grace_seconds=5.0, exit_ttl_seconds=600.0)


def trace(epoch: float = 1000.0, samples: int = 1) -> JobTrace:
    made = JobTrace(4, Descriptors(), epoch)
    made.attach(Sighting("cgroup", {"unified": "cgroup"}))
    for second in range(samples):
        made.sample(float(second), epoch + second)
    return made


def start(run: Run = RUN, node: str = "n1", time: float = 990.0) -> JobEvent:
    return JobEvent(EventKind.START, run, time, node, JobFacts(user="alice"))


def end(run: Run = RUN, node: str = "n1", time: float = 1100.0) -> JobEvent:
    return JobEvent(EventKind.END, run, time, node, exit=FAILED)


def hear(registry: Registry, event: JobEvent, now: float = 0.0) -> tuple[JobEvent, ...]:
    heard = registry.hear(event, ROOT, True, now)
    assert heard.result == "accepted"
    return heard.events


def run_of(registry: Registry, seen: JobTrace) -> Run | None:
    tracked = registry.measured_by(seen)
    return None if tracked is None else tracked.run


def due(registry: Registry, now: float) -> list[JobEvent]:
    return registry.due(now, 2000.0)


def test_start_cgroup_and_a_late_end_are_one_run(registry: Registry) -> None:
    assert hear(registry, start()) == (start(),)
    seen = trace(samples=3)
    registry.appeared(PATH, seen, 1.0)
    assert run_of(registry, seen) == RUN
    registry.vanished(seen, 10.0)
    assert due(registry, 12.0) == []
    (told,) = hear(registry, end(), 12.5)
    assert (told.run, told.exit, told.node) == (RUN, FAILED, "n1")
    assert told.trace is not None
    assert (told.trace.duration_seconds, told.trace.samples) == (110.0, 3)
    assert due(registry, 100.0) == []


def test_an_end_while_the_cgroup_lives_carries_the_trace_so_far(registry: Registry) -> None:
    hear(registry, start())
    seen = trace(samples=2)
    registry.appeared(PATH, seen, 1.0)
    (told,) = hear(registry, end(), 3.0)
    assert told.trace is not None and told.trace.samples == 2
    registry.vanished(seen, 4.0)
    assert due(registry, 60.0) == []
    assert run_of(registry, seen) == RUN  # the page still knows whose the cgroup was


def test_a_job_too_short_to_be_seen_is_told_all_the_same(registry: Registry) -> None:
    hear(registry, start(node=""))
    (told,) = hear(registry, end(node=""), 0.1)
    assert (told.node, told.trace, told.exit) == ("n1", None, FAILED)


def test_a_lost_end_is_told_after_the_grace(registry: Registry) -> None:
    hear(registry, start())
    seen = trace(samples=2)
    registry.appeared(PATH, seen, 1.0)
    registry.vanished(seen, 10.0)
    assert due(registry, 14.9) == []
    (told,) = due(registry, 15.0)
    assert (told.kind, told.run, told.time) == (EventKind.END, RUN, 1001.0)
    assert told.exit is not None and told.exit.kind is ExitKind.UNKNOWN
    assert told.trace is not None and told.trace.samples == 2
    (late,) = hear(registry, end(), 30.0)  # the brain may learn the exit from it
    assert late.exit == FAILED and late.key == told.key


def test_a_job_without_hooks_gets_start_and_end_from_its_cgroup(registry: Registry) -> None:
    seen = trace()
    registry.appeared(PATH, seen, 0.0)
    assert due(registry, 4.0) == []
    (began,) = due(registry, 5.0)
    guessed = Run("c1", "slurm", "42", "0")
    assert began == JobEvent(EventKind.START, guessed, 1000.0, "n1")
    assert due(registry, 6.0) == []
    registry.vanished(seen, 10.0)
    assert [event.kind for event in due(registry, 15.0)] == [EventKind.END]


def test_a_short_job_without_hooks_gets_both_at_once(registry: Registry) -> None:
    seen = trace()
    registry.appeared(PATH, seen, 0.0)
    registry.vanished(seen, 1.0)
    kinds = [event.kind for event in due(registry, 6.0)]
    assert kinds == [EventKind.START, EventKind.END]


def test_a_hook_that_comes_after_the_cgroup_names_the_run(registry: Registry) -> None:
    seen = trace()
    registry.appeared(PATH, seen, 0.0)
    hear(registry, start(), 1.0)
    assert run_of(registry, seen) == RUN
    assert due(registry, 60.0) == []  # START was told by the hook


def test_an_end_hook_alone_names_the_run_and_its_start(registry: Registry) -> None:
    registry.appeared(PATH, trace(), 0.0)
    began, ended = hear(registry, end(), 1.0)
    assert (began.kind, began.run, began.time) == (EventKind.START, RUN, 1000.0)
    assert (ended.kind, ended.run) == (EventKind.END, RUN)


def test_a_requeue_is_another_run(registry: Registry) -> None:
    hear(registry, start())
    first = trace()
    registry.appeared(PATH, first, 1.0)
    registry.vanished(first, 2.0)
    hear(registry, end(), 3.0)
    again = dataclasses.replace(RUN, run="2")
    hear(registry, start(again), 4.0)
    second = trace()
    registry.appeared(PATH, second, 5.0)
    assert (run_of(registry, first), run_of(registry, second)) == (RUN, again)


def test_a_start_does_not_claim_the_cgroup_of_the_run_before(registry: Registry) -> None:
    first = trace()
    registry.appeared(PATH, first, 0.0)
    registry.vanished(first, 10.0)
    hear(registry, start(), 11.0)
    assert run_of(registry, first) == Run("c1", "slurm", "42", "0")
    assert [event.run.run for event in due(registry, 20.0)] == ["0", "0"]


def test_two_nodes_of_one_machine_keep_their_runs_apart(registry: Registry) -> None:
    hear(registry, start(node="a"))
    hear(registry, start(node="b"))
    on_b = trace(samples=2)
    registry.appeared(JobPath("slurm", "42", node="b"), on_b, 1.0)
    (first,) = hear(registry, end(node="a"))
    (second,) = hear(registry, end(node="b"))
    assert first.trace is None
    assert second.trace is not None and second.trace.samples == 2


def test_a_sluid_is_joined_with_the_hook_that_knows_the_id(registry: Registry) -> None:
    seen = trace()
    registry.appeared(JobPath("slurm", "", SLUID), seen, 0.0)
    assert run_of(registry, seen) is None
    run = Run("c1", "slurm", "3385", SLUID)
    hear(registry, start(run), 1.0)
    assert run_of(registry, seen) == run


def test_a_sluid_without_hooks_is_named_by_the_title(registry: Registry, processes: Any) -> None:
    seen = trace()
    registry.appeared(JobPath("slurm", "", SLUID), seen, 0.0)
    assert due(registry, 5.0) == []
    processes.identity = Identity("3385")
    (began,) = due(registry, 6.0)
    assert began.run == Run("c1", "slurm", "3385", SLUID)


def test_a_job_nobody_names_is_counted_and_not_told(registry: Registry) -> None:
    seen = trace()
    registry.appeared(JobPath("slurm", "", SLUID), seen, 0.0)
    registry.vanished(seen, 1.0)
    assert due(registry, 6.0) == []
    assert registry.errors == {"unnamed": 1}


def test_an_end_told_again_does_not_end_the_next_run_of_the_job(registry: Registry) -> None:
    hear(registry, start())
    hear(registry, end(), 10.0)
    again = trace(epoch=1200.0)
    registry.appeared(PATH, again, 12.0)  # a requeue whose START is still to come
    assert registry.hear(end(), ROOT, True, 13.0).result == "duplicate"
    hear(registry, start(dataclasses.replace(RUN, run="2"), time=1199.0), 13.0)
    known = registry.measured_by(again)
    assert known is not None and (known.run.run, known.ended) == ("2", None)


def test_a_job_id_that_comes_again_is_another_run(registry: Registry) -> None:
    hear(registry, start())
    first = trace()
    registry.appeared(PATH, first, 1.0)
    registry.vanished(first, 2.0)
    hear(registry, end(time=1100.0), 3.0)
    assert hear(registry, start(time=1200.0), 103.0) == (start(time=1200.0),)
    second = trace(epoch=1200.0)
    registry.appeared(PATH, second, 104.0)
    assert run_of(registry, second) == RUN and run_of(registry, first) is None
    (known,) = registry.runs()  # one of both names is enough for whoever reads
    assert (known.trace, known.ended, known.exit) == (second, None, None)
    assert [event.time for event in hear(registry, end(time=1300.0), 200.0)] == [1300.0]


def test_a_sluid_tells_two_runs_of_one_job_apart(registry: Registry) -> None:
    other = SLUID[:-1] + "1"
    for number, sluid in enumerate((SLUID, other)):
        run = Run("c1", "slurm", "42", sluid)
        seen = trace()
        registry.appeared(JobPath("slurm", "", sluid), seen, float(number))
        hear(registry, start(run), number + 0.1)
        assert run_of(registry, seen) == run
    assert len({tracked.run for tracked in registry.runs()}) == 2


def test_a_cgroup_that_comes_back_between_two_steps_is_of_the_same_run(registry: Registry) -> None:
    hear(registry, start())
    first, second = trace(), trace()
    registry.appeared(PATH, first, 1.0)
    registry.vanished(first, 2.0)
    registry.appeared(PATH, second, 4.0)
    assert due(registry, 60.0) == []
    assert run_of(registry, second) == RUN
    assert len(registry.runs()) == 1


def test_a_run_that_was_given_up_goes_on_with_its_next_step(registry: Registry) -> None:
    hear(registry, start())
    first, second = trace(), trace()
    registry.appeared(PATH, first, 1.0)
    registry.vanished(first, 2.0)
    (told,) = due(registry, 60.0)
    assert told.exit is not None and told.exit.kind is ExitKind.UNKNOWN
    registry.appeared(PATH, second, 61.0)
    assert run_of(registry, second) == RUN
    (known,) = registry.runs()
    assert (known.ended, known.exit) == (None, None)
    assert due(registry, 99.0) == []
    (told,) = hear(registry, end(), 100.0)
    assert told.exit == FAILED and told.trace is not None


def test_the_end_of_a_run_that_is_measured_is_told_with_a_fresh_sample() -> None:
    sampled: list[JobTrace] = []

    def fresh(seen: JobTrace) -> None:
        sampled.append(seen)
        seen.sample(9.0, 1099.0)

    registry = Registry(RULES, fresh=fresh)
    hear(registry, start())
    seen = trace(samples=2)
    registry.appeared(PATH, seen, 1.0)
    (told,) = hear(registry, end(), 3.0)
    assert told.trace is not None and told.trace.samples == 3
    assert registry.hear(end(), ROOT, True, 3.5).result == "duplicate"
    assert sampled == [seen]


def test_after_its_cgroup_a_run_is_not_sampled_and_a_failing_sample_hides_no_end() -> None:
    def broken(seen: JobTrace) -> None:
        raise OSError("gone")

    registry = Registry(RULES, fresh=broken)
    for number, vanishes in enumerate((True, False)):
        run = dataclasses.replace(RUN, job_id=str(number))
        hear(registry, start(run))
        seen = trace()
        registry.appeared(JobPath("slurm", str(number)), seen, 1.0)
        if vanishes:
            registry.vanished(seen, 2.0)
        (told,) = hear(registry, end(run), 3.0)
        assert told.trace is not None and told.trace.samples == 1


def test_the_trace_of_an_ended_run_stays_until_it_is_forgotten(registry: Registry) -> None:
    hear(registry, start())
    seen = trace(samples=2)
    registry.appeared(PATH, seen, 1.0)
    registry.vanished(seen, 2.0)
    hear(registry, end(), 3.0)
    due(registry, 600.0)
    assert [tracked.trace for tracked in registry.runs()] == [seen]
    due(registry, 604.0)
    assert registry.runs() == [] and registry.measured_by(seen) is None


def test_an_ended_run_whose_cgroup_stays_loses_its_exit_in_time(registry: Registry) -> None:
    hear(registry, start())
    seen = trace()
    registry.appeared(PATH, seen, 1.0)
    hear(registry, end(), 3.0)
    due(registry, 604.0)
    assert [(tracked.trace, tracked.exit) for tracked in registry.runs()] == [(seen, None)]
    assert due(registry, 605.0) == []


def test_a_thousand_jobs_are_found_without_looking_at_all(registry: Registry) -> None:
    seen = [trace() for _ in range(1000)]
    runs = [dataclasses.replace(RUN, job_id=str(number)) for number in range(1000)]
    for run, one in zip(runs, seen):
        hear(registry, start(run))
        registry.appeared(JobPath("slurm", run.job_id), one, 1.0)
    assert due(registry, 2.0) == []
    assert [run_of(registry, one) for one in seen] == runs
    compared = 0

    class Counting(str):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    for run, one in zip(runs, seen):
        registry.vanished(one, 3.0)
        named = dataclasses.replace(run, job_id=Counting(run.job_id))
        assert len(hear(registry, end(named), 4.0)) == 1
    assert compared < 20_000  # a look at all would be a million
    assert due(registry, 60.0) == []


def test_a_job_that_runs_without_a_cgroup_is_missed(
    registry: Registry, processes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    idle = dataclasses.replace(RUN, job_id="43")  # an allocation without a step has no cgroup
    for run in (RUN, idle, dataclasses.replace(RUN, job_id="44")):
        hear(registry, start(run))
    processes.running = frozenset({"42", "44"})
    due(registry, 29.0)
    assert registry.errors == {}
    for now in (31.0, 32.0, 300.0):
        due(registry, now)
    assert registry.errors == {"no_job_cgroup": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "job 42 of slurm is not attributed (no_job_cgroup): it runs and has no cgroup; jobs are "
        "measured with TaskPlugin=task/cgroup and ProctrackType=proctrack/cgroup in slurm.conf; "
        "more of this kind are only counted"
    ]


def test_the_same_event_twice_is_a_duplicate(registry: Registry) -> None:
    hear(registry, start())
    assert registry.hear(start(), ROOT, True, 1.0).result == "duplicate"
    hear(registry, end())
    assert registry.hear(end(), ROOT, True, 1.0).result == "duplicate"
    assert registry.hear(start(), ROOT, True, 1.0).result == "duplicate"


def test_users_may_not_end_each_others_jobs(registry: Registry) -> None:
    run = Run("c1", "local", "1", "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9")
    assert registry.hear(start(run), ALICE, False, 0.0).result == "accepted"
    assert registry.hear(end(run), BOB, False, 1.0).result == "untrusted"
    assert registry.hear(end(run), ALICE, False, 1.0).result == "accepted"


def test_a_run_known_by_its_cgroup_alone_is_ended_by_the_user_who_runs_there(
    registry: Registry, processes: Any
) -> None:
    run = Run("c1", "local", "1", "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9")
    registry.appeared(JobPath("local", run.job_id, run.run), trace(), 0.0)
    processes.users = {"cgroup": frozenset({ALICE})}
    assert registry.hear(end(run), BOB, False, 1.0).result == "untrusted"
    assert registry.hear(end(run), ALICE, False, 1.0).result == "accepted"


def test_a_claim_to_anothers_cgroup_is_found_out(registry: Registry, processes: Any) -> None:
    run = Run("c1", "local", "1", "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9")
    assert registry.hear(start(run), BOB, False, 0.0).result == "accepted"
    seen = trace()
    registry.appeared(JobPath("local", run.job_id, run.run), seen, 1.0)
    due(registry, 2.0)
    assert registry.errors == {}  # nobody lives there yet
    processes.users = {"cgroup": frozenset({ALICE})}
    due(registry, 4.0)
    assert registry.errors == {"slot_mismatch": 1}
    known = registry.measured_by(seen)
    assert known is not None and known.uid is None


def test_one_user_cannot_fill_the_table(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 5)
    monkeypatch.setattr(module, "MAX_OPEN_OF_A_USER", 3)
    runs = [Run("c1", "local", str(number), "r") for number in range(9)]
    results = [registry.hear(start(run), ALICE, False, 0.0).result for run in runs]
    assert results == ["accepted"] * 3 + ["bounded"] * 6
    for run in runs:  # a trusted one goes on, at the price of the oldest that were never seen
        assert registry.hear(start(run), ROOT, True, 0.0).result in ("accepted", "duplicate")
    assert len(registry.runs()) == 5


def test_a_warning_is_told_once_and_after_the_start(registry: Registry) -> None:
    seen = trace()
    registry.appeared(PATH, seen, 0.0)
    assert registry.warn(seen, EventKind.STALL, 1500.0) is None
    hear(registry, start())
    warning = registry.warn(seen, EventKind.STALL, 1500.0)
    assert warning is not None and warning.trace is not None
    assert (warning.kind, warning.run, warning.time) == (EventKind.STALL, RUN, 1500.0)
    assert registry.warn(seen, EventKind.STALL, 1501.0) is None
    assert registry.warn(seen, EventKind.CONTENTION, 1501.0) is not None


def test_ended_runs_are_forgotten_after_their_time(registry: Registry) -> None:
    hear(registry, end(), 10.0)
    due(registry, 609.0)
    assert [tracked.exit for tracked in registry.runs()] == [FAILED]
    due(registry, 611.0)
    assert registry.runs() == []
