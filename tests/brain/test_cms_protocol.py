"""Actions fetched and reported by an external executor, in the protocol of CMS operations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from jobmend.brain import recommendations
from jobmend.brain.acting import Acting
from jobmend.brain.api.app import create_app
from jobmend.brain.config import BrainConfig
from jobmend.brain.store import Store
from jobmend.jobs.actions import Action, ActionKind, Advice, Evidence
from jobmend.jobs.identity import Workflow
from tests.brain.conftest import Server
from tests.brain.scene import BUG, NOW, OK, Clock, MemoryScheduler, config_of, ended, run_of, told

W1 = Workflow("c1", "w1")
RECOVER = Action(
    ActionKind.RECOVER,
    memory_bytes=4_000_000_000,
    walltime_seconds=7200.0,
    splitting=2,
    data_access="xrootd",
    sites_use=("s1",),
    sites_avoid=("s2",),
)


def external(config: BrainConfig) -> BrainConfig:
    advice = config.advice.model_copy(update={"executor": "external"})
    return config.model_copy(update={"advice": advice})


@pytest.fixture
def outside(tmp_path: Path, scheduler: MemoryScheduler) -> Iterator[Server]:
    """A served brain whose approved actions are somebody else's to carry out."""
    config = external(config_of(tmp_path, settle_seconds=0, poll_seconds=3600))
    app = create_app(config, {("c1", "memory"): scheduler})
    with TestClient(app) as http:
        while not all(app.state.brain.watcher.last_polls().values()):
            time.sleep(0.01)
        yield Server(http, app.state.brain, scheduler)


def propose(server: Server, action: Action, workflow: Workflow = W1) -> int:
    evidence = (
        Evidence("rule", "memory: \x1b[2Jhostile"),
        Evidence("cell", "exit:3 at s1: 1 of 1"),
    )
    advice = Advice("memory", action, (run_of(1),), {action.kind: 1.0}, evidence)
    with server.brain.store.write() as db:
        return recommendations.propose(db, workflow, advice, "", server.brain.clock()).id


def apply(server: Server, id: int, **order: bool) -> dict[str, Any]:
    answer = server.http.post(
        f"/api/v1/recommendations/{id}/apply",
        json={"dry_run": False, **order},
        headers={**server.operator, "X-Jobmend-Operator": "ann"},
    )
    found: dict[str, Any] = answer.json()
    return found


def fetch(server: Server, query: str = "") -> dict[str, Any]:
    answer = server.http.get(f"/getaction{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def report(server: Server, *workflows: str, key: str | None = None) -> dict[str, Any]:
    order = {"key": server.brain.tokens.operator if key is None else key, "workflows": workflows}
    answer = server.http.post("/reportaction", json=order)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def state(server: Server, id: int = 1) -> str:
    found = server.http.get(f"/api/v1/recommendations/{id}").json()
    word: str = found["recommendation"]["state"]
    return word


def audit(server: Server, id: int = 1) -> list[tuple[str, str]]:
    found = server.http.get(f"/api/v1/recommendations/{id}").json()["audit"]
    return [(row["who"], row["what"]) for row in found]


@pytest.fixture
def approved(outside: Server) -> Server:
    outside.tell(*ended(1, BUG, time=outside.brain.clock() - 100))
    apply(outside, propose(outside, RECOVER))
    return outside


def test_an_approved_action_waits_for_the_executor(outside: Server) -> None:
    outside.tell(*ended(1, BUG))
    id = propose(outside, RECOVER)
    assert fetch(outside) == {}
    shown = apply(outside, id, dry_run=True)
    assert (state(outside), fetch(outside)) == ("proposed", {})
    answer = apply(outside, id)
    assert answer["recommendation"]["state"] == "approved"
    assert [step["step"]["argv"] for step in answer["steps"]] == [["getaction", "acdc"]]
    assert shown["steps"] == answer["steps"]
    assert outside.scheduler.executed == []
    assert fetch(outside) == {
        "c1/w1": {
            "Action": "acdc",
            "Reasons": ["memory: \ufffd[2Jhostile", "exit:3 at s1: 1 of 1"],
            "Parameters": {
                "AllSteps": {
                    "memory": "4000",
                    "splitting": "2x",
                    "xrootd": "enabled",
                    "sites": ["s1"],
                    "walltime": 7200.0,
                    "sites_avoid": ["s2"],
                }
            },
            "user": "operator ann",
        }
    }


def test_a_report_is_taken_once_and_answered_always(approved: Server) -> None:
    (document,) = fetch(approved).values()
    answer = report(approved, "c1/w1", "c1/w1", "c1/none", "odd")
    assert answer == {
        "valid_key": True,
        "valid_format": True,
        "success": ["c1/w1"],
        "already_reported": [],
        "does_not_exist": ["c1/none", "odd"],
    }
    again = report(approved, "c1/w1")
    assert (again["success"], again["already_reported"]) == ([], ["c1/w1"])
    assert state(approved) == "applied"
    assert audit(approved) == [
        ("brain", "proposed"),
        ("operator ann", "approved"),
        ("executor", "applied"),
    ]
    assert fetch(approved) == {}
    assert fetch(approved, "?acted=1") == fetch(approved, "?acted=-1") == {"c1/w1": document}
    assert approved.scheduler.executed == []


def test_what_the_executor_brought_about_is_verified(approved: Server) -> None:
    report(approved, "c1/w1")
    just_now = approved.brain.clock() - 1
    approved.tell(*ended(1, OK, number=1, time=just_now, parent=run_of(1).key))
    approved.brain.watcher.round()
    detail = approved.http.get("/api/v1/recommendations/1").json()["recommendation"]
    assert (detail["state"], detail["outcome"]) == ("verified", "success")
    assert list(fetch(approved, "?acted=1")) == ["c1/w1"]
    assert report(approved, "c1/w1")["already_reported"] == ["c1/w1"]


@pytest.mark.parametrize("key", ["", "wrong", "é", "Bearer x"])
def test_nothing_is_reported_without_the_key(approved: Server, key: str) -> None:
    answer = report(approved, "c1/w1", key=key)
    assert answer == {
        "valid_key": False,
        "valid_format": True,
        "success": [],
        "already_reported": [],
        "does_not_exist": [],
    }
    assert report(approved, "c1/w1", key=approved.brain.tokens.ingest)["valid_key"] is False
    assert state(approved) == "approved"


def test_a_report_of_another_shape_changes_nothing(approved: Server) -> None:
    key = approved.brain.tokens.operator
    orders: list[object] = [
        {"key": key},
        {"key": key, "workflows": "c1/w1"},
        {"key": key, "workflows": ["c1/w1", 3]},
        {"key": key, "workflows": ["c1/w1"] * 10_001},
        {"key": [key], "workflows": {}},
        [],
        "c1/w1",
    ]
    for order in orders:
        answer = approved.http.post("/reportaction", json=order).json()
        assert (answer["valid_format"], answer["success"]) == (False, [])
    for body in (b"", b"\xff", b"[" * 100_000):
        refused = approved.http.post("/reportaction", content=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "not_json")
    assert state(approved) == "approved"


def test_the_days_asked_for_bound_what_is_fetched(approved: Server) -> None:
    with approved.brain.store.write() as db:
        db.execute("UPDATE recommendations SET moved = moved - 3 * 86400")
    assert list(fetch(approved, "?days=4")) == list(fetch(approved, "?days=0")) == ["c1/w1"]
    assert fetch(approved, "?days=2") == {}
    for query in ("?days=-1", "?days=x", "?acted=x", f"?acted={2**40}"):
        assert approved.http.get(f"/getaction{query}").status_code == 422


def test_what_is_not_reported_can_be_taken_back(approved: Server) -> None:
    path = "/api/v1/recommendations/1/reject"
    answer = approved.http.post(path, json={"why": "wrong"}, headers=approved.operator)
    assert answer.json()["state"] == "failed"
    assert audit(approved)[-1] == ("operator", "failed")
    assert fetch(approved, "?acted=-1") == {}
    assert report(approved, "c1/w1")["does_not_exist"] == ["c1/w1"]
    assert approved.http.post(path, json={"why": "x"}, headers=approved.operator).status_code == 409


def test_what_waits_for_an_executor_is_not_resumed(approved: Server) -> None:
    scheduler = MemoryScheduler()
    store = Store(approved.brain.store.path)
    for elsewhere in (True, False):  # whoever carries out actions after the restart
        Acting(store, {("c1", "memory"): scheduler}, Clock(), external=elsewhere).resume()
    store.close()
    assert (state(approved), scheduler.executed) == ("approved", [])
    assert report(approved, "c1/w1")["success"] == ["c1/w1"]


def test_decisions_ask_nobody_and_other_words_are_refused(outside: Server) -> None:
    outside.tell(*ended(1, BUG))
    assert apply(outside, propose(outside, Action(ActionKind.WAIT)))["recommendation"]["state"] == (
        "applied"
    )
    outside.tell(told("start", 2, workflow="w2"))
    advice = Advice("hang", Action(ActionKind.KILL), (run_of(2),), {ActionKind.KILL: 1.0}, ())
    with outside.brain.store.write() as db:
        id = recommendations.propose(db, Workflow("c1", "w2"), advice, "", NOW).id
    refused = apply(outside, id)["error"]
    assert refused["code"] == "cannot_act"
    assert "an external executor knows no kill" in refused["message"]
    assert (state(outside, id), fetch(outside), outside.scheduler.executed) == ("proposed", {}, [])


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (ActionKind.BYPASS, "by-pass"),
        (ActionKind.FORCE_COMPLETE, "force-complete"),
    ],
)
def test_special_actions_say_which_they_are(outside: Server, kind: ActionKind, word: str) -> None:
    outside.tell(*ended(1, BUG))
    apply(outside, propose(outside, Action(kind)))
    (found,) = fetch(outside).values()
    assert (found["Action"], found["Parameters"]) == ("special", {"action": word})


def test_a_brain_that_acts_itself_leaves_nothing_to_fetch(server: Server) -> None:
    server.tell(*ended(1, BUG))
    answer = apply(server, propose(server, RECOVER))
    assert answer["recommendation"]["state"] == "applied"
    assert len(server.scheduler.executed) == 1
    assert fetch(server, "?acted=-1") == {}
    assert report(server, "c1/w1")["does_not_exist"] == ["c1/w1"]
