"""The production rules fire where they did, and know how often they were right."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.classifier.artifact import ArtifactError
from jobmend.classifier.failures.arms.arm import Arm
from jobmend.classifier.failures.arms.rule_tables import CMS, CRAB, HTCONDOR, RuleTable, case_of
from jobmend.classifier.failures.arms.rules import (
    KIN,
    RULE_ARMS,
    CmsRulesArm,
    CrabRulesArm,
    HtcondorRulesArm,
)
from jobmend.classifier.failures.task import Cell, FailedTask
from jobmend.jobs.exit_meanings import meaning
from jobmend.jobs.identity import SiteStatus

GOOD, BAD, UNKNOWN = SiteStatus.GOOD, SiteStatus.BAD, SiteStatus.UNKNOWN
HERE, THERE = "T1_XX_Here", "T2_XX_There"


def task(
    *cells: tuple[str, str, SiteStatus, int], name: str = "/wf/task", attempts: float | None = None
) -> FailedTask:
    features: Mapping[str, float] = {} if attempts is None else {"attempts": attempts}
    counted = {Cell(code, site, status): n for code, site, status, n in cells}
    return FailedTask(name, counted, features)


def all_of(code: str, status: SiteStatus = GOOD, attempts: float | None = None) -> FailedTask:
    return task((code, HERE, status, 10), attempts=attempts)


def says(table: RuleTable, failed: FailedTask) -> str | None:
    rule = table.first(failed)
    return rule.action if rule else None


@pytest.mark.parametrize(
    ("failed", "action"),
    [
        (all_of("-1"), "acdc"),
        (all_of("-2", UNKNOWN), "acdc"),
        (task(("-1", HERE, BAD, 10), ("8001", THERE, GOOD, 1)), None),
        (all_of("99303"), "acdc"),
        (all_of("99401"), "acdc"),
        (all_of("50513"), "acdc"),
        (all_of("50513", BAD), None),  # no good site is left to run at
        (task(("50513", HERE, BAD, 9), ("50513", THERE, GOOD, 1)), "acdc"),
        (all_of("71305"), "acdc"),
        (task(("71305", HERE, GOOD, 9), ("1", THERE, BAD, 1)), "wait"),  # bad for another code
        (all_of("71104"), "acdc"),
        (task(("71104", HERE, BAD, 9), ("71104", THERE, GOOD, 1)), "acdc"),
        (all_of("71104", BAD), "wait"),  # waiting needs no site
        (all_of("8020"), None),  # switched off
        (all_of("50660"), None),
        (all_of("exit:1"), None),
    ],
)
def test_static_actions(failed: FailedTask, action: str | None) -> None:
    assert says(CMS, failed) == action


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("8020", "acdc"),
        ("84", "acdc"),
        ("1", "acdc"),
        ("10034", "acdc"),
        ("195", "acdc"),
        ("137", "acdc"),
        ("243", "acdc"),
        ("-1", "acdc"),
        ("50660", "fatal"),
        ("50665", "fatal"),
        ("134", "fatal"),
        ("8001", "fatal"),
        ("71104", "fatal"),
        ("timeout", None),
        ("exit:137", None),
    ],
)
def test_crab(code: str, action: str | None) -> None:
    assert says(CRAB, all_of(code)) == action


@pytest.mark.parametrize(
    ("code", "attempts", "action"),
    [
        ("preempted", 9.0, "acdc"),
        ("node_failure", None, "acdc"),
        ("transfer_failure", None, "acdc"),
        ("out_of_memory", None, "acdc"),
        ("out_of_memory", 2.0, "fatal"),
        ("timeout", None, "special"),
        ("held", None, "special"),
        ("exit:137", None, "acdc"),
        ("signal:9", 1.0, "acdc"),
        ("exit:1", 2.0, "fatal"),
        ("137", None, None),  # CMS's
        ("cancelled", None, None),
    ],
)
def test_htcondor(code: str, attempts: float | None, action: str | None) -> None:
    assert says(HTCONDOR, all_of(code, attempts=attempts)) == action


def test_the_codes_of_the_tables_are_codes() -> None:
    named = {
        code
        for table in (CMS, CRAB, HTCONDOR)
        for rule in table.rules
        for code in getattr(rule.codes, "__self__", ())
    }
    assert len(named) > 40
    assert {code for code in named if meaning(code) is None} == set()


def test_a_code_must_explain_more_than_30_percent() -> None:
    just = task(("50513", HERE, GOOD, 3), ("8001", HERE, GOOD, 2), ("8002", HERE, GOOD, 2))
    assert case_of(just).code == "50513"
    many = [(str(8001 + number), HERE, GOOD, 7) for number in range(2)]
    at_most = task(("50513", HERE, GOOD, 6), *many)  # 6 of 20, though 7 is the most
    assert says(CMS, at_most) is None
    tied = task(*[(str(code), HERE, GOOD, 3) for code in (1, 2, 3, 4)])
    assert case_of(tied).code == ""


def test_a_tie_is_broken_alike_whatever_the_order() -> None:
    one = task(("50513", HERE, GOOD, 5), ("8001", HERE, GOOD, 5))
    other = task(("8001", HERE, GOOD, 5), ("50513", HERE, GOOD, 5))
    assert case_of(one) == case_of(other)


def test_the_cms_rules_never_act_twice() -> None:
    again = task(("50513", HERE, GOOD, 5), name="/somebody_ACDC1_wf/task")
    assert says(CMS, again) is None
    assert says(CRAB, again) == "acdc"


@pytest.mark.parametrize("site", ["", "NoReportedSite", "T3_XX_Small"])
def test_what_is_no_site_is_neither_good_nor_bad(site: str) -> None:
    assert says(CMS, task(("50513", site, GOOD, 5))) is None
    assert not case_of(task(("50513", site, BAD, 5))).bad_anywhere


def test_a_task_without_failures_has_no_rule() -> None:
    assert [table.first(task()) for table in (CMS, CRAB, HTCONDOR)] == [None, None, None]


# 8 of 10 fatal ones were not recovered, all input files were.
TASKS = [all_of("50660")] * 10 + [all_of("8020")] * 10 + [all_of("banana")] * 10
LABELS = ["clone"] * 6 + ["special"] * 2 + ["acdc"] * 22


def test_confidence_is_how_often_the_rule_was_right() -> None:
    arm = CrabRulesArm().fit(TASKS, LABELS)
    assert arm.classes_ == ("acdc", "clone", "special")
    assert arm.confidences_["over a limit"] == pytest.approx(9 / 12)
    assert arm.confidences_["input files"] == pytest.approx(11 / 12)
    assert arm.confidences_["stage-out"] == pytest.approx(1 / 2)  # never seen
    limit, files, none = arm.predict_proba([TASKS[0], TASKS[10], TASKS[20]])
    assert files == pytest.approx([11 / 12, 7 / 120, 3 / 120], abs=1e-5)
    # What fatal means, everything but acdc, is shared out as the prior has it: 7 to 3.
    assert limit == pytest.approx([3 / 12, 9 / 12 * 0.7, 9 / 12 * 0.3], abs=1e-5)
    assert none == pytest.approx([23 / 33, 7 / 33, 3 / 33], abs=1e-5)


def test_the_system_itself_does_not_doubt() -> None:
    arm = CrabRulesArm().fit(TASKS, ["acdc"] * 28 + ["clone"] + ["special"])
    assert arm.decide([TASKS[0], TASKS[10], TASKS[20]]) == ["clone", "acdc", "acdc"]
    assert arm.predict_proba([TASKS[0]]).argmax() == arm.classes_.index("acdc")


@pytest.mark.parametrize(
    ("recover", "others"),
    [
        ("acdc", ("clone",)),
        ("recovery", ("clone",)),
        ("recover", ("clone", "hold")),
        ("acdc", ("other",)),
    ],
)
def test_actions_are_found_among_the_words_of_the_history(
    recover: str, others: tuple[str, ...]
) -> None:
    labels = ([*others] * 10)[:10] + [recover] * 20
    arm = CrabRulesArm().fit(TASKS, labels)
    limit, files = arm.predict_proba([TASKS[0], TASKS[10]])
    place = arm.classes_.index(recover)
    assert files[place] == pytest.approx(11 / 12, abs=1e-5)
    assert limit[place] == pytest.approx(1 / 12, abs=1e-5)


def test_waiting_is_other_among_binary_labels() -> None:
    arm = CmsRulesArm().fit([all_of("71104", BAD)] * 4 + TASKS, ["other"] * 4 + ["acdc"] * 30)
    assert arm.confidences_["site in drain"] == pytest.approx(5 / 6)
    probabilities = arm.predict_proba([all_of("71104", BAD)])
    assert probabilities[0, arm.classes_.index("other")] == pytest.approx(5 / 6, abs=1e-5)


def test_labels_that_are_no_actions_get_the_prior() -> None:
    for arm in RULE_ARMS.values():
        fitted = arm().fit(TASKS, ["default"] * 20 + ["2x"] * 10)
        assert fitted.predict_proba(TASKS) == pytest.approx(
            np.tile([11 / 32, 21 / 32], (30, 1)), abs=1e-5
        )


def test_where_every_class_is_meant_the_rule_says_nothing() -> None:
    arm = CrabRulesArm().fit(TASKS, ["acdc"] * 15 + ["recovery"] * 15)
    assert arm.predict_proba([TASKS[10]]) == pytest.approx(np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("name", sorted(RULE_ARMS))
def test_kept_and_restored_it_says_the_same(name: str) -> None:
    kind = RULE_ARMS[name]
    arm: Arm = kind().fit(TASKS, LABELS)
    assert arm.name == name
    again = kind.restore(arm.get_params(), arm.files())
    assert again.classes_ == arm.classes_
    assert (again.predict_proba(TASKS) == arm.predict_proba(TASKS)).all()


DAMAGES: list[Mapping[str, object]] = [
    {"classes": ["acdc"]},
    {"classes": None},
    {"prior": [0.5, 0.5]},
    {"prior": [0.5, 0.5, -0.5]},
    {"prior": [0.5, 0.5, float("nan")]},
    {"prior": [0.5, 0.5, float("inf")]},
    {"prior": "a lot"},
    {"confidences": {}},
    {"confidences": None},
    {"confidences": {rule.name: 1.5 for rule in CRAB.rules}},
    {"confidences": {rule.name: float("nan") for rule in CRAB.rules}},
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(damage: Mapping[str, object]) -> None:
    kept = json.loads(CrabRulesArm().fit(TASKS, LABELS).files()["arm.json"])
    with pytest.raises(ArtifactError, match="rules-crab"):
        CrabRulesArm.restore({}, {"arm.json": json.dumps({**kept, **damage}).encode()})


@pytest.mark.parametrize("files", [{}, {"arm.json": b"\xff"}, {"arm.json": b"[]"}])
def test_what_is_no_file_of_it_is_refused(files: Mapping[str, bytes]) -> None:
    with pytest.raises(ArtifactError):
        HtcondorRulesArm.restore({}, files)


def test_it_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="not fitted"):
        CmsRulesArm().predict_proba(TASKS)
    with pytest.raises(ValueError, match="not fitted"):
        CmsRulesArm().files()
    with pytest.raises(ValueError, match="not fitted"):
        CmsRulesArm().decide(TASKS)
    with pytest.raises(ValueError, match="two different answers"):
        CmsRulesArm().fit(TASKS, ["acdc"] * 30)


CODES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["-1", "71104", "50660", "exit:1", "signal:9", "timeout", "9" * 5000]),
)
CELLS = st.dictionaries(
    st.builds(Cell, CODES, st.text(max_size=4), st.sampled_from(SiteStatus)),
    st.integers(1, 10**12),
    max_size=6,
)


@settings(max_examples=60)
@given(st.lists(CELLS, min_size=2, max_size=6), st.data())
def test_any_task_gets_probabilities(cells: list[dict[Cell, int]], data: st.DataObject) -> None:
    words = sorted({word for kin in KIN.values() for word in kin} | {"clone", "other", "default"})
    tasks = [FailedTask(str(number), each) for number, each in enumerate(cells)]
    labels = data.draw(st.lists(st.sampled_from(words), min_size=len(tasks), max_size=len(tasks)))
    labels[:2] = ["acdc", data.draw(st.sampled_from([w for w in words if w != "acdc"]))]
    for kind in RULE_ARMS.values():
        probabilities = kind().fit(tasks, labels).predict_proba(tasks)
        assert probabilities.shape == (len(tasks), len(set(labels)))
        assert (probabilities > 0).all()
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(tasks)))
