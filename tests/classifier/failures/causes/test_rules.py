"""The rules one by one, their precedence and their guards."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from jobmend.classifier.advice import CAUSES
from jobmend.classifier.failures.causes.rules import RULES, Verdict, judge
from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import EventKind, Request
from jobmend.jobs.identity import SiteStatus
from jobmend.jobs.records import RunRecord, WorkflowRecord

MIB = 1024 * 1024
MakeRun = Callable[..., RunRecord]
MakeRecord = Callable[..., WorkflowRecord]


def judged(record: WorkflowRecord) -> Verdict:
    verdict = judge(record)
    assert verdict is not None
    return verdict


def test_every_cause_of_the_table_is_a_known_word_and_names_are_unique() -> None:
    assert {rule.cause for rule in RULES} <= set(CAUSES)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_success_and_cancellation_ask_for_nothing(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    assert judge(make_record(make_run("ok"), make_run("cancelled"), make_run("running"))) is None


# ---- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "measured"),
    [
        ("out_of_memory", {}),
        ("signal:9", {"memory_peak_bytes": 96 * MIB, "memory_limit_bytes": 100 * MIB}),
        ("exit:1", {"oom_kills": 1}),
    ],
)
def test_lack_of_memory_doubles_the_request(
    make_run: MakeRun, make_record: MakeRecord, end: str, measured: dict[str, float]
) -> None:
    run = make_run(end, request=Request(memory_bytes=100 * MIB), **measured)
    verdict = judged(make_record(run))
    assert (verdict.rule.cause, verdict.guard) == ("memory", "")
    assert verdict.action == Action(ActionKind.RECOVER, memory_bytes=200 * MIB)


def test_half_as_much_again_as_the_peak_where_that_is_more(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    run = make_run(
        "out_of_memory", request=Request(memory_bytes=100 * MIB), memory_peak_bytes=200 * MIB + 1
    )
    verdict = judged(make_record(run))
    assert verdict.action.memory_bytes == 301 * MIB  # whole MiB, rounded up
    assert "peak 200 MiB" in verdict.finding.words


def test_the_limit_stands_in_for_the_request(make_run: MakeRun, make_record: MakeRecord) -> None:
    run = make_run("out_of_memory", memory_limit_bytes=64 * MIB, memory_peak_bytes=64 * MIB)
    assert judged(make_record(run)).action.memory_bytes == 128 * MIB


def test_without_any_number_a_person_is_asked(make_run: MakeRun, make_record: MakeRecord) -> None:
    verdict = judged(make_record(make_run("out_of_memory")))
    assert verdict.action.kind is ActionKind.ASK
    assert "neither a request nor a measurement" in verdict.guard


def test_a_kill_far_below_the_limit_is_not_memory(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    run = make_run("signal:9", memory_peak_bytes=50 * MIB, memory_limit_bytes=100 * MIB)
    assert judge(make_record(run)) is None


# ---- time --------------------------------------------------------------------------------------


def test_a_stall_of_a_running_run_is_a_hang_to_kill(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    hung = make_run("running", warnings=[EventKind.STALL])
    verdict = judged(make_record(hung, make_run("running"), make_run("ok")))
    assert (verdict.rule.cause, verdict.action.kind) == ("hang", ActionKind.KILL)
    assert verdict.finding.runs == (hung,)


def test_a_stall_while_waiting_for_storage_is_no_hang(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    run = make_run("running", warnings=[EventKind.STALL], io_waiting_seconds=40.0)
    assert judge(make_record(run)) is None


def test_a_stall_that_was_overcome_is_forgotten(make_run: MakeRun, make_record: MakeRecord) -> None:
    assert judge(make_record(make_run("ok", warnings=[EventKind.STALL]))) is None


def test_a_timeout_idle_for_half_its_time_is_a_hang_and_gets_no_more_time(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    run = make_run("timeout", request=Request(walltime_seconds=52), cpu_idle_tail_seconds=26.0)
    verdict = judged(make_record(run))
    assert (verdict.rule.cause, verdict.action) == ("hang", Action(ActionKind.HOLD))


def test_a_timeout_at_work_gets_twice_the_time(make_run: MakeRun, make_record: MakeRecord) -> None:
    run = make_run("timeout", request=Request(walltime_seconds=60), cpu_idle_tail_seconds=25.9)
    verdict = judged(make_record(run))
    assert verdict.rule.cause == "walltime"
    assert verdict.action == Action(ActionKind.RECOVER, walltime_seconds=120.0)


def test_a_timeout_without_trace_gets_time_with_less_confidence(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    verdict = judged(make_record(make_run("timeout", request=Request(walltime_seconds=60))))
    assert verdict.rule.name == "timeout, not measured"
    assert verdict.rule.confidence < 0.6


@pytest.mark.parametrize(("cpu", "cause"), [(50.0, "walltime"), (0.1, "hang")])
def test_cpu_seconds_stand_in_for_the_idle_tail(
    make_run: MakeRun, make_record: MakeRecord, cpu: float, cause: str
) -> None:
    run = make_run("timeout", cpu_user_seconds=cpu, cpu_system_seconds=0.0)
    assert judged(make_record(run)).rule.cause == cause


# ---- program -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["signal:11", "signal:6", "signal:7", "signal:8", "signal:4"])
def test_a_crash_everywhere_is_a_bug_to_hold(
    make_run: MakeRun, make_record: MakeRecord, end: str
) -> None:
    verdict = judged(make_record(make_run(end, "siteA"), make_run(end, "siteB")))
    assert (verdict.rule.name, verdict.rule.cause) == ("fails everywhere alike", "bug")
    assert verdict.action == Action(ActionKind.HOLD)


def test_one_generic_code_on_every_run_is_a_bug_and_not_a_bad_site(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    runs = [make_run("exit:1", site, status=SiteStatus.BAD) for site in ("siteA", "siteA")]
    verdict = judged(make_record(*runs, make_run("exit:1", "siteB")))
    assert (verdict.rule.cause, verdict.action.kind) == ("bug", ActionKind.HOLD)
    assert any(words.startswith("bad site:") for words in verdict.also)


def test_two_codes_are_not_alike_and_one_run_is_no_everywhere(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    assert judge(make_record(make_run("exit:1"), make_run("exit:2"))) is None
    assert judge(make_record(make_run("exit:1"))) is None


def test_a_temporary_code_everywhere_is_no_bug(make_run: MakeRun, make_record: MakeRecord) -> None:
    verdict = judged(make_record(make_run("exit:75", "siteA"), make_run("exit:75", "siteB")))
    assert (verdict.rule.cause, verdict.action.kind) == ("transient", ActionKind.RECOVER)


def test_bad_sites_are_no_witnesses_of_a_bug(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:1", "siteB", status=SiteStatus.BAD) for _ in range(3)]
    assert judged(make_record(*runs)).rule.cause == "bad site"


def test_a_generic_code_again_after_a_repeat_is_a_bug(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    record = make_record(make_run("exit:1", attempt=1), make_run("ok"), make_run("ok"))
    verdict = judged(record)
    assert (verdict.rule.name, verdict.action.kind) == ("failed again", ActionKind.HOLD)


def test_a_crash_of_some_runs_is_a_bug(make_run: MakeRun, make_record: MakeRecord) -> None:
    verdict = judged(make_record(make_run("signal:11"), make_run("ok"), make_run("ok")))
    assert (verdict.rule.name, verdict.rule.cause) == ("crash", "bug")


def test_missing_input_at_all_sites_is_held(make_run: MakeRun, make_record: MakeRecord) -> None:
    record = make_record(make_run("exit:66", "siteA"), make_run("exit:66", "siteB"))
    verdict = judged(record)
    assert (verdict.rule.cause, verdict.action.kind) == ("missing input", ActionKind.HOLD)


def test_missing_input_again_is_held(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:66", attempt=1), make_run("ok", "siteB"), make_run("ok", "siteB")]
    assert judged(make_record(*runs)).rule.name == "no input again"


# ---- places ------------------------------------------------------------------------------------


def test_what_fails_at_one_site_is_recovered_at_another(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    bad = [make_run("exit:66", "siteB") for _ in range(3)]
    verdict = judged(make_record(*bad, make_run("ok", "siteA"), make_run("ok", "siteA")))
    assert verdict.rule.cause == "bad site"
    assert verdict.action == Action(
        ActionKind.RECOVER, sites_use=("siteA",), sites_avoid=("siteB",)
    )
    assert verdict.finding.words == "siteB fails 3 of 3; succeeds at: siteA 2 of 2"


def test_a_crash_at_one_site_alone_is_the_site(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("signal:4", "old"), make_run("signal:4", "old"), make_run("ok", "new")]
    assert judged(make_record(*runs)).rule.cause == "bad site"


def test_a_bad_status_is_not_to_blame_where_most_runs_succeed(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    failed = make_run("exit:75", "siteA", status=SiteStatus.BAD)
    verdict = judged(make_record(failed, make_run("ok", "siteA"), make_run("ok", "siteA")))
    assert verdict.rule.cause == "transient"


def test_no_good_site_known_is_a_wait(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:1", "siteB", status=SiteStatus.BAD) for _ in range(2)]
    verdict = judged(make_record(*runs))
    assert verdict.action == Action(ActionKind.WAIT, sites_avoid=("siteB",))
    assert verdict.action.sites_use == ()


def test_one_failure_says_nothing_about_a_site(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:1", "siteB"), make_run("ok", "siteA"), make_run("ok", "siteA")]
    assert judged(make_record(*runs)).rule.cause == "transient"


def test_a_site_without_a_name_is_never_blamed(make_run: MakeRun, make_record: MakeRecord) -> None:
    runs = [make_run("exit:1", ""), make_run("exit:2", ""), make_run("ok", "siteA")]
    assert judge(make_record(*runs)) is None


# ---- passing troubles --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ("exit:75", "transient"),
        ("exit:69", "transient"),
        ("preempted", "transient"),
        ("transfer_failure", "transient"),
        ("node_failure", "node failure"),
        ("launch_failure", "launch failure"),
    ],
)
def test_passing_troubles_are_repeated_unchanged(
    make_run: MakeRun, make_record: MakeRecord, end: str, cause: str
) -> None:
    verdict = judged(make_record(make_run(end)))
    assert (verdict.rule.cause, verdict.action) == (cause, Action(ActionKind.RECOVER))


def test_after_two_repeats_a_person_is_asked(make_run: MakeRun, make_record: MakeRecord) -> None:
    assert judged(make_record(make_run("exit:75", attempt=1))).action.kind is ActionKind.RECOVER
    verdict = judged(make_record(make_run("exit:75", attempt=2)))
    assert (verdict.action.kind, verdict.rule.cause) == (ActionKind.ASK, "transient")
    assert "repeated 2 times" in verdict.guard


def test_a_minority_at_the_first_attempt_is_repeated(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    failed = make_run("exit:3")
    verdict = judged(make_record(failed, make_run("ok"), make_run("ok")))
    assert (verdict.rule.name, verdict.finding.runs) == ("first attempt", (failed,))
    assert judge(make_record(make_run("exit:3"), make_run("ok"))) is None


@pytest.mark.parametrize(
    ("measured", "cause"),
    [
        ({"cpu_waiting_seconds": 26.0, "io_waiting_seconds": 1.0}, "cpu contention"),
        ({"cpu_waiting_seconds": 1.0, "io_waiting_seconds": 26.0}, "io contention"),
    ],
)
def test_contention_waits_and_names_the_node(
    make_run: MakeRun, make_record: MakeRecord, measured: dict[str, float], cause: str
) -> None:
    run = make_run("running", node="n7", warnings=[EventKind.CONTENTION], **measured)
    verdict = judged(make_record(run))
    assert verdict.rule.cause == cause
    assert verdict.action == Action(ActionKind.WAIT, nodes_avoid=("n7",))
    assert "50 % of the time" in verdict.finding.words


def test_contention_without_numbers_is_not_named(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    assert judge(make_record(make_run("running", warnings=[EventKind.CONTENTION]))) is None


# ---- guards ------------------------------------------------------------------------------------


def test_the_same_action_is_never_taken_twice_on_one_cause(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    run = make_run("out_of_memory", request=Request(memory_bytes=MIB))
    tried = (("memory", ActionKind.RECOVER),)
    verdict = judged(make_record(run, tried=tried))
    assert (verdict.action.kind, verdict.rule.cause) == (ActionKind.ASK, "memory")
    assert verdict.guard == "recover was already tried against this cause (memory)"
    other = (("transient", ActionKind.RECOVER),)
    assert judged(make_record(run, tried=other)).action.kind is ActionKind.RECOVER


def test_a_cause_must_explain_more_than_30_percent_of_the_failures(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    request = Request(memory_bytes=MIB)
    lacking = [make_run("out_of_memory", request=request) for _ in range(3)]
    others = [make_run(f"exit:{code}") for code in (1, 2, 3, 4, 5, 6, 7)]
    assert judge(make_record(*lacking, *others)) is None
    assert judged(make_record(*lacking, *others[1:])).rule.cause == "memory"


def test_the_table_s_order_decides_between_causes_that_dominate(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    lacking = make_run("out_of_memory", request=Request(memory_bytes=MIB))
    late = make_run("timeout", request=Request(walltime_seconds=9), cpu_idle_tail_seconds=0.0)
    verdict = judged(make_record(late, lacking))
    assert (verdict.rule.cause, verdict.finding.runs) == ("memory", (lacking,))
    assert [words.partition(":")[0] for words in verdict.also] == ["timeout"]


def test_the_operators_page_holds_the_table() -> None:
    page = (Path(__file__).parents[4] / "docs" / "advice.md").read_text()
    shown = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (0\.\d\d) \|", page, re.M)
    assert shown == [(rule.name, rule.cause, f"{rule.confidence:.2f}") for rule in RULES]
    assert set(re.findall(r"^\| `([a-z ]+)` \| [^|]+ \| [^|]+ \|$", page, re.M)) == set(CAUSES)
