"""Vetting over HTTP: what is told, whose word counts, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from jobmend.brain import quarantine
from jobmend.brain.evidence import Evidence
from jobmend.brain.quarantined import Item, period_key, short_id
from tests.brain.conftest import Server
from tests.brain.scene import NOW, OK, OOM, ended, run_of

KEY = "n1/1.000/" + "-".join(str(thread) for thread in range(512))  # as long as such keys get
VETTING = "/api/v1/vetting"


@pytest.fixture
def waiting(server: Server) -> Server:
    """A server with two windows and a workflow in quarantine."""
    server.tell(*ended(1, OOM), *ended(2, OK), *ended(3, OK, workflow="w2"))
    with server.brain.store.write() as db:
        runs = [run_of(1).key, "gone", run_of(9).key]
        one = Item("traces", KEY, "t1", NOW, NOW, "w1", 0.004, "x is 9")
        quarantine.add(db, one, Evidence({"job": "<b>"}, runs, curves={"user": [0.1, None]}))
        quarantine.add(db, Item("traces", "b", "t1", NOW, NOW, "w2", None, ""), Evidence())
        two = Item("failures", "c1/w1", "t2", NOW, NOW, "w1", 0.01, "new codes")
        quarantine.add(db, two, Evidence(workflow="c1/w1", counts={"exit:3 at s1": 1}))
    return server


def say(server: Server, subject: str = "traces", what: str = "decision", **order: Any) -> Any:
    headers = {**server.operator, "X-Jobmend-Operator": "ann"}
    return server.http.post(f"{VETTING}/{subject}/{what}", json=order, headers=headers)


def test_what_waits_is_listed_and_shown_with_its_jobs(waiting: Server) -> None:
    http = waiting.http
    items = http.get(VETTING, params={"state": "waiting"}).json()["items"]
    assert {(it["subject"], it["kind"]) for it in items} == {
        ("traces", "w1"),
        ("traces", "w2"),
        ("failures", "w1"),
    }
    (named,) = http.get(VETTING, params={"name": short_id("traces", KEY)}).json()["items"]
    assert named["key"] == KEY
    shown = http.get(f"{VETTING}/traces/item", params={"key": KEY}).json()
    assert shown["item"] == named
    assert [job["run"]["job_id"] for job in shown["jobs"]] == ["1"]
    assert shown["evidence"]["curves"] == {"user": [0.1, None]}
    task = http.get(f"{VETTING}/failures/item", params={"key": "c1/w1"}).json()
    assert {job["run"]["job_id"] for job in task["jobs"]} == {"1", "2"}


def test_a_word_is_kept_under_the_name_of_its_author_and_undone(waiting: Server) -> None:
    order: dict[str, Any] = {"keys": [KEY, "b"], "state": "anomaly", "label": "hang"}
    told = say(waiting, **order).json()["items"]
    assert [(it["state"], it["label"]) for it in told] == [("anomaly", "hang")] * 2
    assert waiting.http.get(VETTING, params={"state": "anomaly", "kind": "w1"}).json()["items"]
    assert say(waiting, what="undo", keys=[KEY]).json()["items"][0]["state"] == "waiting"
    shown = waiting.http.get(f"{VETTING}/traces/item", params={"key": KEY}).json()
    assert [(word["who"], word["after"]) for word in shown["words"]] == [
        ("operator ann", "anomaly"),
        ("operator ann", "waiting"),
    ]


@pytest.mark.parametrize(
    ("what", "order", "status", "code"),
    [
        ("decision", {"keys": ["lost"], "state": "normal"}, 404, "not_found"),
        ("undo", {"keys": ["lost"]}, 404, "not_found"),
        ("undo", {"keys": ["b"]}, 409, "illegal_move"),
        ("decision", {"keys": ["b"], "state": "anomaly"}, 409, "illegal_move"),
        ("decision", {"keys": ["b"], "state": "normal", "label": "hang"}, 409, "illegal_move"),
        ("decision", {"keys": ["b"], "state": "waiting"}, 422, "invalid"),
        ("decision", {"keys": [], "state": "normal"}, 422, "invalid"),
        ("decision", {"keys": ["b"] * 1001, "state": "normal"}, 422, "invalid"),
        ("decision", {"keys": ["b"], "state": "normal", "force": True}, 422, "invalid"),
        ("undo", {"keys": "b"}, 422, "invalid"),
    ],
)
def test_what_is_no_word_changes_nothing(
    waiting: Server, what: str, order: dict[str, Any], status: int, code: str
) -> None:
    answer = say(waiting, what=what, **order)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert len(waiting.http.get(VETTING, params={"state": "waiting"}).json()["items"]) == 3


def test_only_operators_have_a_word(waiting: Server) -> None:
    for what, order in (
        ("decision", {"keys": ["b"], "state": "normal"}),
        ("undo", {"keys": ["b"]}),
    ):
        for headers in ({}, waiting.agent):
            path = f"{VETTING}/traces/{what}"
            assert waiting.http.post(path, json=order, headers=headers).status_code == 401
    assert waiting.http.get(f"{VETTING}/traces/item", params={"key": "x"}).status_code == 404
    assert waiting.http.get(f"{VETTING}?state=lost").status_code == 422


def test_a_period_stands_for_its_items(waiting: Server) -> None:
    period = period_key("t1")
    with waiting.brain.store.write() as db:
        quarantine.add(db, Item("traces", period, "t1", NOW, NOW, "", None, "new"), Evidence())
    (listed,) = waiting.http.get(VETTING, params={"subject": "traces"}).json()["items"]
    assert (listed["key"], listed["examples"]) == (period, 2)
    say(waiting, keys=[period], state="normal")
    items = waiting.http.get(VETTING, params={"turn": "t1"}).json()["items"]
    assert {it["state"] for it in items} == {"normal"}
