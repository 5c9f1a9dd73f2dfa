"""Plans: which steps an action is, in exact words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import JobFacts
from jobmend.jobs.exits import Exit, ExitKind, htcondor_exit
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.htcondor import actions, changes, resubmission
from jobmend.plugins.htcondor.actions import Settings
from jobmend.plugins.scheduler import Refused

SETTINGS = Settings(
    site_attributes=("GLIDEIN_Site", "Machine"),
    data_access={"xrootd": {"ACCESS": "root://a/b c"}},
)
HELD = htcondor_exit(5, None, 9, 34, "gone over its memory")
FAILED = htcondor_exit(4, 3, None)
GOOD = htcondor_exit(4, 0, None)
REMOVED = htcondor_exit(3, None, None)
EVICTED = Exit("htcondor", ExitKind.PREEMPTED, state="VACATED")


def record(exit: Exit | None, *, job: str = "12.0", execution: int = 1, started: bool = True):  # type: ignore[no-untyped-def]
    run = Run("pool", "htcondor", job, f"ap1@cern#{job}#1795242239#{execution}")
    facts = JobFacts(workflow="ada/merge", user="ada", attempt=execution - 1)
    return RunRecord(run, facts, started=5.0 if started else None, exit=exit)


def argvs(action: Action, *records: RunRecord, settings: Settings = SETTINGS) -> list[str]:
    return [" ".join(step.argv) for step in actions.plan(action, records, settings)]


RUN = "ap1@cern#12.0#1795242239#1"


@pytest.mark.parametrize(
    ("kind", "of", "steps"),
    [
        ("kill", record(None), [f"htcondor remove {RUN}"]),
        ("kill", record(None, started=False), [f"htcondor remove {RUN}"]),
        ("kill", record(HELD), [f"htcondor remove {RUN}"]),
        ("hold", record(None), [f"htcondor hold {RUN}"]),
        ("release", record(HELD), [f"htcondor release {RUN}"]),
        ("release", record(None, started=False), [f"htcondor release {RUN}"]),
        ("recover", record(HELD), [f"htcondor release {RUN}"]),
        ("recover", record(FAILED), [f"htcondor resubmit {RUN}"]),
        ("recover", record(EVICTED), [f"htcondor hold {RUN}", f"htcondor release {RUN}"]),
        ("resubmit", record(None), [f"htcondor hold {RUN}", f"htcondor release {RUN}"]),
        ("resubmit", record(REMOVED), [f"htcondor resubmit {RUN}"]),
        ("clone", record(GOOD), [f"htcondor resubmit {RUN}"]),
        ("bypass", record(FAILED), []),
        ("force-complete", record(FAILED), []),
        ("wait", record(FAILED), []),
        ("ask", record(FAILED), []),
    ],
)
def test_the_steps_of_each_action(kind: str, of: RunRecord, steps: list[str]) -> None:
    assert argvs(Action(ActionKind(kind)), of) == steps


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("kill", record(FAILED)),
        ("hold", record(HELD)),
        ("release", record(None)),
        ("recover", record(GOOD)),
        ("resubmit", record(None, started=False)),
        ("clone", record(None)),
    ],
)
def test_what_is_in_no_state_for_it_is_refused(kind: str, of: RunRecord) -> None:
    with pytest.raises(Refused):
        actions.plan(Action(ActionKind(kind)), [of], SETTINGS)


def test_only_the_last_execution_of_a_job_is_acted_on() -> None:
    steps = argvs(Action(ActionKind.RECOVER), record(HELD), record(FAILED, execution=2))
    assert steps == ["htcondor resubmit ap1@cern#12.0#1795242239#2"]


def test_follow_ups_are_the_next_execution() -> None:
    (step,) = actions.plan(Action(ActionKind.RELEASE), [record(HELD, execution=4)], SETTINGS)
    assert step.follow_up is not None
    assert step.follow_up.run == "ap1@cern#12.0#1795242239#5"
    waits = record(None, started=False)
    (step,) = actions.plan(Action(ActionKind.RELEASE), [waits], SETTINGS)
    assert step.follow_up == waits.run


@pytest.mark.parametrize(
    ("action", "reason", "words"),
    [
        ({"memory_bytes": 2**20 * 100 + 1}, "", ["RequestMemory=101"]),
        ({"walltime_seconds": 59.5}, "", ["AllowedExecuteDuration=60"]),
        (
            {"walltime_seconds": 60},
            "The job exceeded allowed job duration of 00:03",
            ["AllowedJobDuration=60"],
        ),
        ({"data_access": "xrootd"}, "", ["Environment+=ACCESS=root://a/b c"]),
        (
            {"sites_use": ("A", "B")},
            "",
            [
                "JobmendRequirements=(stringListMember((TARGET.GLIDEIN_Site ?: TARGET.Machine),"
                ' "A,B") =?= true)',
                "Requirements=MY.JobmendOriginalRequirements && MY.JobmendRequirements",
            ],
        ),
        (
            {"nodes_avoid": ("n1",)},
            "",
            [
                'JobmendRequirements=(stringListIMember(TARGET.Machine, "n1") =!= true) &&'
                ' (stringListIMember(split(TARGET.Machine, ".")[0], "n1") =!= true)',
                "Requirements=MY.JobmendOriginalRequirements && MY.JobmendRequirements",
            ],
        ),
    ],
)
def test_what_is_changed(action: dict[str, object], reason: str, words: list[str]) -> None:
    wanted = Action(ActionKind.RECOVER, **action)  # type: ignore[arg-type]
    told = changes.assignments(wanted, SETTINGS.site_attributes, SETTINGS.data_access, reason)
    assert list(told) == words
    edit, release = actions.plan(
        wanted, [record(htcondor_exit(5, None, None, 34, reason))], SETTINGS
    )
    assert edit.argv == ("htcondor", "edit", RUN, *words)
    assert release.argv == ("htcondor", "release", RUN)


def test_a_site_to_avoid_is_left_for_those_that_stand_in() -> None:
    settings = Settings(site_attributes=("Machine",), sites=("A", "B", "C"))
    action = Action(ActionKind.RECOVER, sites_avoid=("B",))
    (step, _) = actions.plan(action, [record(HELD)], settings)
    assert 'stringListMember(TARGET.Machine, "A,C") =?= true' in step.argv[3]
    everywhere = Action(ActionKind.RECOVER, sites_avoid=("A", "B", "C"))
    with pytest.raises(Refused, match="stand in"):
        actions.plan(everywhere, [record(HELD)], settings)


@pytest.mark.parametrize(
    "action",
    [
        {"memory_bytes": 2**60},
        {"walltime_seconds": float("inf")},
        {"walltime_seconds": float("nan")},
        {"sites_use": ('A" || true',)},
        {"sites_avoid": ("A,B",)},
        {"nodes_avoid": ("n1\n",)},
        {"nodes_avoid": ("",)},
        {"data_access": "unheard of"},
        {"splitting": 2},
    ],
)
def test_what_is_no_plain_name_or_number_is_refused(action: dict[str, object]) -> None:
    wanted = Action(ActionKind.RECOVER, **action)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        actions.plan(wanted, [record(FAILED)], SETTINGS)


@pytest.mark.parametrize(
    "name",
    [
        'ap1#12.0#1795242239" || true#1',
        "ap1#12.0#1795242239#1; rm -rf /",
        "ap1#13.0#1795242239#1",  # another job's
        "ap 1#12.0#1795242239#1",
        "#12.0#1795242239#1",
        "12.0",
    ],
)
def test_a_run_that_htcondor_did_not_name_is_refused(name: str) -> None:
    forged = RunRecord(Run("pool", "htcondor", "12.0", name), JobFacts(), exit=FAILED)
    with pytest.raises(Refused):
        actions.plan(Action(ActionKind.RECOVER), [forged], SETTINGS)


@given(st.text(), st.sampled_from(ActionKind))
def test_no_text_of_a_user_gets_into_a_step(text: str, kind: ActionKind) -> None:
    plain, hostile = record(FAILED), record(FAILED)
    facts = JobFacts(workflow=f"ada/{text}", name=text, user=text, account=text, comment=text)
    hostile = RunRecord(hostile.run, facts, exit=FAILED, started=5.0)
    action = Action(kind, memory_bytes=2**30)
    try:
        wanted = actions.plan(action, [plain], SETTINGS)
    except Refused:
        wanted = []
    try:
        assert actions.plan(action, [hostile], SETTINGS) == wanted
    except Refused:
        assert not wanted


def test_work_is_split_by_the_command_of_the_site() -> None:
    settings = Settings(
        splitting_command=("/opt/split", "--job={address}", "{splitting}", "{user}"),
        data_access={"xrootd": {"ACCESS": "on"}},
    )
    action = Action(ActionKind.RECOVER, splitting=4, data_access="xrootd")
    (step,) = actions.plan(action, [record(FAILED)], settings)
    expected = ("env", "ACCESS=on", "/opt/split", f"--job={RUN}", "4", "ada")
    assert step.argv == ("htcondor", "split", RUN, *expected)
    with pytest.raises(Refused, match="still in the queue"):
        actions.plan(action, [record(HELD)], settings)
    more = Action(ActionKind.RECOVER, splitting=4, memory_bytes=2**30)
    with pytest.raises(Refused, match="memory_bytes"):
        actions.plan(more, [record(FAILED)], settings)


# ---- a new job out of an old ad ------------------------------------------------------------------

AD = {
    "JobUniverse": "5",
    "Cmd": '"/bin/sh"',
    "Args": '"-c $(X) $ENV(X) $$(Y) $$ $5 a$b"',
    "ClusterId": "12",
    "NumShadowStarts": "3",
    "ExitCode": "3",
    "OnExitHold": "ExitCode =!= 0",
    "Custom": '[ a = 1; b = "x" ]',
    "RequestMemory": "60",
    "Owner": '"ada"',
}


def test_what_a_job_asked_for_is_copied_and_what_became_of_it_is_not() -> None:
    new = resubmission.attributes(AD, {"RequestMemory": "90"}, '"parent"', '"merge"')
    kept = {name: AD[name] for name in ("Cmd", "Args", "OnExitHold", "Custom", "Owner")}
    made = {"RequestMemory": "90", "JobmendParent": '"parent"', "JobmendWorkflow": '"merge"'}
    assert new == {**kept, **made}


def test_nothing_in_a_submit_description_is_expanded() -> None:
    described = resubmission.description({"Args": AD["Args"], "Custom": AD["Custom"]})
    assert described["My.Args"] == '"-c $(DOLLAR)(X) $(DOLLAR)ENV(X) $$(Y) $$ $5 a$b"'
    assert described["My.Custom"] == AD["Custom"]


@pytest.mark.parametrize(
    "more",
    [
        {"JobUniverse": "7"},
        {"DAGManJobId": "3"},
        {"StageInStart": "1795242239"},
        {"Custom": None},
        {"Custom": '"two\nlines"'},
        {"a name": "1"},
        {"x\ny": "1"},
    ],
)
def test_a_job_that_its_ad_does_not_suffice_for_is_refused(more: dict[str, str | None]) -> None:
    with pytest.raises(Refused):
        resubmission.attributes({**AD, **more}, {}, '""', '""')


@given(st.text())
def test_a_text_is_quoted_and_read_back(text: str) -> None:
    try:
        literal = changes.quoted(text)
    except Refused:
        assert any(char in text for char in "\n\r\0")
        return
    assert changes.unquoted(literal) == text
