"""Histories of CMS: read strictly, written back to the byte, refused with the place named."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.classifier.failures.history.cms import (
    MAX_CELLS,
    CmsHistory,
    HistoryError,
    read_history,
    write_history,
)
from jobmend.classifier.failures.task import Cell, Decision, FailedTask, History
from jobmend.jobs.identity import SiteStatus

TASK: dict[str, Any] = {
    "errors": {
        "good_sites": {"50660": {"T2_XX_Site": 12, "T2_YY_Site": 0}},
        "bad_sites": {"-1": {"T1_YY_Site": 3}},
    },
    "parameters": {
        "action": "acdc",
        "memory": "4000",
        "cores": "",
        "xrootd": "enabled",
        "secondary": "disabled",
        "splitting": "2x",
        "sites": ["T2_XX_Site"],
    },
}


def read(document: object) -> CmsHistory:
    return read_history(json.dumps(document).encode(), "h.json")


def with_task(**changes: object) -> dict[str, Any]:
    return {"/wf/task": {**TASK, **changes}}


def counted(**sites: object) -> dict[str, Any]:
    return with_task(errors={"good_sites": {"1": sites}})


def test_a_task_of_the_console_is_read() -> None:
    found = read({"/wf/task": TASK})
    assert found.history == History(
        [
            FailedTask(
                "/wf/task",
                {
                    Cell("50660", "T2_XX_Site", SiteStatus.GOOD): 12,
                    Cell("-1", "T1_YY_Site", SiteStatus.BAD): 3,
                },
                features={},
                decision=Decision("acdc", "2x", "4000", "enabled", ("T2_XX_Site",)),
            )
        ],
        "h.json",
    )


def test_a_task_to_predict_has_no_decision() -> None:
    without: list[dict[str, Any]] = [
        {"errors": {}},
        {"errors": {"good_sites": {}}, "parameters": None},
        {"errors": {}, "parameters": {"memory": "4000"}},
    ]
    for task in without:
        (found,) = read({"t": task}).history.tasks
        assert (found.decision, found.failures) == (None, 0)


@pytest.mark.parametrize(("sites", "read_as"), [("T2", ("T2",)), ("", ()), (None, ()), ([], ())])
def test_one_site_may_come_without_its_list(sites: object, read_as: tuple[str, ...]) -> None:
    (task,) = read(with_task(parameters={"action": "acdc", "sites": sites})).history.tasks
    assert task.decision == Decision("acdc", sites=read_as)


def test_tasks_come_in_time_order_where_all_tell_one() -> None:
    document = {
        "c": with_task(timestamp=1_600_000_000.5)["/wf/task"],
        "a": with_task(timestamp="2020-09-13T12:26:40Z")["/wf/task"],  # 1.6e9
        "b": with_task(timestamp="2018-01-01")["/wf/task"],
    }
    tasks = read(document).history.tasks
    assert [(task.name, task.time) for task in tasks] == [
        ("b", 1_514_764_800.0),
        ("a", 1_600_000_000.0),
        ("c", 1_600_000_000.5),
    ]
    assert [task.name for task in read({**document, "d": TASK}).history.tasks] == list("cabd")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "h.json: a list, an object is wanted"),
        ({"t": 3}, "h.json: task 't': a number, an object is wanted"),
        ({"t": {}}, "task 't': errors is missing"),
        ({"t": {"errors": []}}, "task 't': errors: a list, an object is wanted"),
        ({"t": {"errors": {"bad_sites": {"1": 4}}}}, "bad_sites, code '1': a number, an object"),
        (counted(T2=-3), "code '1': site 'T2': negative, a whole number from 0 to"),
        (counted(T2=1.5), "site 'T2': a number, a whole number from 0"),
        (counted(T2=True), "site 'T2': a boolean, a whole number"),
        (counted(T2="3"), "site 'T2': a string, a whole number"),
        (counted(T2=10**9 + 1), "site 'T2': too large"),
        (counted(**{"x" * 601: 1}), "a site's name has at most 600 characters"),
        (with_task(errors={"good_sites": {"": {}}}), "a code has 1 to 64 characters"),
        (with_task(errors={"good_sites": {"9" * 65: {}}}), "a code has 1 to 64 characters"),
        (with_task(parameters=["acdc"]), "parameters: a list, an object is wanted"),
        (with_task(parameters={"action": True}), "parameters.action: a boolean, a string is"),
        (with_task(parameters={"action": "x" * 65}), "parameters.action: at most 64 characters"),
        (with_task(parameters={"sites": ["T2", 2]}), "parameters.sites: a list of names is wanted"),
        (with_task(timestamp=1.6e12), "timestamp: seconds since the epoch or an ISO 8601"),
        (with_task(timestamp="yesterday"), "timestamp: seconds since the epoch or an ISO"),
        (with_task(timestamp=10**400), "timestamp: seconds since the epoch or an ISO"),
        (with_task(jobmend={"features": {"runs": "3"}}), "jobmend.features: 'runs': a string"),
        (with_task(jobmend={"features": {"runs": 10**400}}), "features: 'runs': too large"),
    ],
)
def test_an_error_names_file_task_and_key(document: object, words: str) -> None:
    with pytest.raises(HistoryError) as caught:
        read(document)
    assert str(caught.value).startswith("h.json: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON: Expecting value, line 1, column 1"),
        (b'{\n "a": {,}}', "not JSON: Expecting property name enclosed in double quotes, line 2"),
        (b'{"a": "\xff"}', "not UTF-8, at byte 7"),
        (b"<html>", "not JSON: Expecting value"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]," * 5_000_000, "more than 5000000 values"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a number has too many digits"),
        (b'{"a": 1e999}', "a number is too large"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": {"errors": {}}, "a": {"errors": {}}}', "'a' stands twice in one object"),
        (
            b'{"t": {"errors": {"good_sites": {"1": {"s": 1, "s": 2}}}}}',
            "task 't': good_sites, code '1': 's' stands twice in one object",
        ),
        (b'{"t": {"errors": {}, "more": [{"k": 1, "k": 2}]}}', "'k' stands twice in one object"),
    ],
)
def test_what_is_no_document_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(HistoryError) as caught:
        read_history(data, "h.json")
    assert str(caught.value).startswith("h.json: ")
    assert words in str(caught.value)


def test_what_a_file_says_cannot_forge_the_error() -> None:
    with pytest.raises(HistoryError) as caught:
        read_history(json.dumps({"a\x1b[2J\nok": 3}).encode(), "h\n.json")
    assert str(caught.value).isprintable()


def test_a_million_codes_are_refused() -> None:
    errors = ",".join(f'"{code}":{{"s":1}}' for code in range(10**6))
    data = f'{{"t":{{"errors":{{"good_sites":{{{errors}}}}}}}}}'.encode()
    with pytest.raises(HistoryError, match=f"task 't': at most {MAX_CELLS} codes at sites"):
        read_history(data, "h.json")


# ---- writing -----------------------------------------------------------------------------------

names = st.text(max_size=8)
plain_codes = st.sampled_from(["50660", "-1", "exit:66", "71104"])
counts = st.dictionaries(plain_codes, st.dictionaries(names, st.integers(0, 10**9), max_size=3))
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | names
    | st.floats(allow_nan=False).filter(lambda value: abs(value) < 1e300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
extra_keys = st.dictionaries(names.map(lambda key: "x" + key), anything, max_size=2)
documents = st.dictionaries(
    names,
    st.builds(
        lambda errors, parameters, extra: {**extra, "errors": errors, **parameters},
        st.dictionaries(st.sampled_from(["bad_sites", "good_sites", "other_sites"]), counts),
        st.just({})
        | st.builds(lambda extra: {"parameters": {"action": "acdc", **extra}}, extra_keys),
        extra_keys,
    ),
    max_size=4,
)
layouts = st.sampled_from(
    [
        {},
        {"separators": (",", ":")},
        {"separators": (",", ": ")},
        {"separators": (", ", ":")},
        *({"indent": indent} for indent in (0, 1, 2, 4, "\t")),
        {"indent": 2, "separators": (",", ":")},
    ]
)


@settings(max_examples=150)
@given(documents, layouts, st.booleans(), st.sampled_from(["", "\n", "\r\n"]))
def test_what_is_read_is_written_back_to_the_byte(
    document: Any, layout: dict[str, Any], ascii: bool, tail: str
) -> None:
    data = (json.dumps(document, ensure_ascii=ascii, **layout) + tail).encode()
    assert write_history(read_history(data, "h.json")) == data


@given(st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
def test_hostile_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = read_history(data, "h.json")
    except HistoryError as error:
        assert re.match(r"h\.json: .", str(error))
    else:
        assert read_history(write_history(found), "h.json").history == found.history


cells = st.builds(
    Cell,
    st.sampled_from(["50660", "exit:66", "signal:11", "timeout"]),
    names,
    st.sampled_from(SiteStatus),
)
tasks = st.builds(
    FailedTask,
    names,
    st.dictionaries(cells, st.integers(1, 10**9), max_size=4),
    st.dictionaries(st.sampled_from(["runs", "tried"]), st.floats(0, 1e6)),
    st.floats(0, 1e10),
    st.none() | st.builds(Decision, st.just("clone"), st.sampled_from(["", "2x"])),
    names,
)


@given(st.lists(tasks, max_size=4), st.booleans())
def test_a_history_of_ours_comes_back(found: list[FailedTask], synthetic: bool) -> None:
    history = History(found, "ours", synthetic)
    data = write_history(history)
    again = read_history(data, "ours")
    assert again.history.synthetic == (synthetic and bool(found))
    key = [
        (task.cells, task.features, task.time, task.decision, task.cause)
        for task in sorted(found, key=lambda task: task.time or 0.0)
    ]
    assert key == [
        (task.cells, task.features, task.time, task.decision, task.cause)
        for task in again.history.tasks
    ]
    assert write_history(again) == data


def test_a_task_decided_twice_keeps_both() -> None:
    history = History([FailedTask(name, {}) for name in ("a", "a", "a#2", "a")], "ours")
    again = read_history(write_history(history), "ours").history
    assert [task.name for task in again.tasks] == ["a", "a#2", "a#2#2", "a#3"]


def test_what_could_not_be_read_back_is_not_written() -> None:
    cell = Cell("1", "s", SiteStatus.GOOD)
    with pytest.raises(HistoryError, match="ours: task 'a': good_sites, code '1': site 's': neg"):
        write_history(History([FailedTask("a", {cell: -1})], "ours"))
