"""The API over HTTP, in process: who may, what it answers, and one shape for every error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx2 import Response

from jobmend.brain.api.gate import MAX_BODY_BYTES
from tests.brain.conftest import Server
from tests.brain.scene import BUG, OK, OOM, documents, ended, told

INGEST = "/api/v1/ingest"


@pytest.fixture
def proposed(server: Server) -> Server:
    """A server with recommendation 1: one run of two ran out of memory."""
    server.tell(*ended(1, OOM), *ended(2, OK))
    server.brain.watcher.round()
    assert server.http.get("/api/v1/recommendations").json()["recommendations"][0]["id"] == 1
    return server


def error_of(answer: Response, status: int) -> dict[str, str]:
    """The error of an answer, which must have the one shape and the headers of all."""
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message", "field"}
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    found: dict[str, str] = document["error"]
    return found


def test_ingest_reports_what_became_of_each_message(server: Server) -> None:
    messages = [*documents(*ended(1, BUG)), {"jobmend": 1, "kind": "event", "body": {}}]
    batch = {"jobmend": 1, "messages": messages}
    for accepted in (2, 0):
        answer = server.http.post(INGEST, json=batch, headers=server.agent)
        assert answer.json() == {
            "accepted": accepted,
            "duplicates": 2 - accepted,
            "rejected": [{"index": 2, "error": "event.kind: missing"}],
        }


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "not_json", ""),
        (b"\xff", 400, "not_json", ""),
        (b"[" * 100_000, 400, "not_json", ""),
        (b'{"jobmend": 1' + b"0" * 5000, 400, "not_json", ""),
        (b"[]", 422, "invalid", "batch"),
        (b'{"jobmend": 7, "messages": []}', 422, "invalid", "batch.jobmend"),
        (b'{"jobmend": 1}', 422, "invalid", "batch.messages"),
        (b'{"jobmend": 1, "messages": {}}', 422, "invalid", "batch.messages"),
        (b'{"jobmend": 1, "messages": [' + b"1," * 500 + b"1]}", 422, "invalid", "batch.messages"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "too_large", ""),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_what_is_no_batch_is_refused(
    server: Server, body: bytes, status: int, code: str, field: str
) -> None:
    answer = server.http.post(INGEST, content=body, headers=server.agent)
    error = error_of(answer, status)
    assert (error["code"], error["field"]) == (code, field)


def test_a_body_without_a_length_is_bounded_too(server: Server) -> None:
    chunks = (b" " * (1 << 20) for _ in range(9))
    assert error_of(server.http.post(INGEST, content=chunks, headers=server.agent), 413)


def test_no_route_that_changes_anything_goes_without_its_token(proposed: Server) -> None:
    http, agent, operator = proposed.http, proposed.agent, proposed.operator
    orders: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        INGEST: ({"jobmend": 1, "messages": []}, operator),
        "/api/v1/recommendations/1/apply": ({"dry_run": True}, agent),
        "/api/v1/recommendations/1/reject": ({"why": "no"}, agent),
    }
    for path, (order, others) in orders.items():
        for headers in ({}, others, {"Authorization": "Bearer "}, {"Authorization": "Basic x"}):
            answer = http.post(path, json=order, headers=headers)
            assert error_of(answer, 401)["code"] == "unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer"
    detail = http.get("/api/v1/recommendations/1").json()
    assert detail["recommendation"]["state"] == "proposed"


def test_every_error_has_one_shape(proposed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    http, operator = proposed.http, proposed.operator
    one = "/api/v1/recommendations/1"
    error_of(http.get("/nowhere"), 404)
    error_of(http.get("/style.css"), 404)
    error_of(http.delete(one), 405)
    error_of(http.get("/api/v1/recommendations?state=lost"), 422)
    error_of(http.get("/api/v1/recommendations?limit=0"), 422)
    assert error_of(http.get("/api/v1/recommendations/0"), 422)["field"] == "path.id"
    error_of(http.get(f"/api/v1/recommendations/{2**70}"), 422)
    assert error_of(http.get("/api/v1/recommendations/9"), 404)["code"] == "not_found"
    error_of(http.get("/recommendations/9"), 404)
    orders: list[object] = [{}, {"dry_run": "yes"}, {"dry_run": True, "force": True}, []]
    for body in orders:
        error_of(http.post(f"{one}/apply", json=body, headers=operator), 422)
    for why in ("", "x" * 1001, None):
        error_of(http.post(f"{one}/reject", json={"why": why}, headers=operator), 422)
    monkeypatch.setattr(proposed.brain.metrics, "page", lambda: 1 / 0)
    assert error_of(http.get("/metrics"), 500)["code"] == "internal"


def test_a_recommendation_is_applied_after_a_dry_run(proposed: Server) -> None:
    http = proposed.http
    operator = {**proposed.operator, "X-Jobmend-Operator": "ann"}
    path = "/api/v1/recommendations/1/apply"
    shown = http.post(path, json={"dry_run": True}, headers=operator).json()
    assert shown["dry_run"] and proposed.scheduler.executed == []
    applied = http.post(path, json={"dry_run": False}, headers=operator).json()
    assert applied["recommendation"]["state"] == "applied"
    assert [step["state"] for step in applied["steps"]] == ["done"]
    argv = [step["step"]["argv"] for step in shown["steps"]]
    assert argv == [step["step"]["argv"] for step in applied["steps"]]
    assert argv == [list(argv) for argv in proposed.scheduler.executed]
    again = http.post(path, json={"dry_run": False}, headers=operator)
    assert error_of(again, 409)["code"] == "illegal_move"
    audit = http.get("/api/v1/recommendations/1").json()["audit"]
    assert [(row["who"], row["what"]) for row in audit] == [
        ("brain", "proposed"),
        ("operator ann", "approved"),
        ("operator ann", "step started"),
        ("operator ann", "step done"),
        ("operator ann", "applied"),
    ]


def test_a_recommendation_is_rejected_with_a_reason(proposed: Server) -> None:
    path = "/api/v1/recommendations/1/reject"
    answer = proposed.http.post(path, json={"why": "known"}, headers=proposed.operator)
    assert answer.json()["state"] == "rejected"
    listed = proposed.http.get("/api/v1/recommendations?state=rejected").json()
    assert [it["id"] for it in listed["recommendations"]] == [1]
    assert proposed.http.get("/api/v1/recommendations?state=proposed").json() == {
        "recommendations": []
    }


def test_jobs_and_workflows(proposed: Server) -> None:
    proposed.tell(told("start", 3, workflow="w2"))
    jobs = proposed.http.get("/api/v1/jobs?workflow=w1").json()["jobs"]
    assert [(job["run"]["job_id"], job["exit"]["kind"]) for job in jobs] == [
        ("1", "out_of_memory"),
        ("2", "success"),
    ]
    assert {job["site_status"] for job in jobs} == {"good"}
    assert len(proposed.http.get("/api/v1/jobs").json()["jobs"]) == 3
    assert len(proposed.http.get("/api/v1/jobs?limit=1").json()["jobs"]) == 1
    found = proposed.http.get("/api/v1/workflows").json()["workflows"]
    assert [(it["workflow"]["name"], it["active"], it["failed"]) for it in found] == [
        ("w2", 1, 0),
        ("w1", 0, 1),
    ]


def test_status_probes_and_metrics(proposed: Server) -> None:
    http = proposed.http
    status = http.get("/api/v1/status").json()
    assert status["watching"] is True
    assert status["models"] == {"failures": False, "traces": False}
    assert status["recommendations"]["proposed"] == 1
    assert status["runs"] == {"failed": 1, "success": 1}
    assert [(it["cluster"], it["error"]) for it in status["schedulers"]] == [("c1", "")]
    assert http.get("/-/healthy").text == "healthy\n"
    assert http.get("/-/ready").text == "ready\n"
    page = http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'jobmend_brain_messages_total{result="accepted"} 4.0' in page.text
    assert 'jobmend_brain_recommendations{state="proposed"} 1.0' in page.text
    assert 'jobmend_brain_runs{verdict="failed"} 1.0' in page.text
    proposed.brain.watcher.stop()
    assert error_of(http.get("/-/ready"), 503)["code"] == "not_ready"


def test_a_correction_of_accounting_stands_in_the_audit(server: Server) -> None:
    server.tell(told("end", 1, node="n1", exit=OK), told("outcome", 1, exit=OOM))
    (row,) = server.http.get("/api/v1/audit").json()["audit"]
    assert row["what"] == "outcome corrected"


def test_answers_carry_no_cookie_and_forbid_scripts(server: Server) -> None:
    for path in ("/", "/api/v1/status", "/metrics", "/nowhere"):
        headers = server.http.get(path).headers
        assert "set-cookie" not in headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script" not in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_operation_ids_are_stable(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    found = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert found == {
        "ingest_messages": "POST /api/v1/ingest",
        "apply_recommendation": "POST /api/v1/recommendations/{id}/apply",
        "reject_recommendation": "POST /api/v1/recommendations/{id}/reject",
        "list_recommendations": "GET /api/v1/recommendations",
        "get_recommendation": "GET /api/v1/recommendations/{id}",
        "backfill_slice": "POST /api/v1/backfill",
        "list_jobs": "GET /api/v1/jobs",
        "list_sites": "GET /api/v1/sites",
        "list_workflows": "GET /api/v1/workflows",
        "list_audit": "GET /api/v1/audit",
        "get_status": "GET /api/v1/status",
        "get_actions": "GET /getaction",
        "get_trace_model": "GET /api/v1/models/traces",
        "list_models": "GET /api/v1/models",
        "list_champions": "GET /api/v1/models/{subject}/history",
        "roll_back_model": "POST /api/v1/models/{subject}/rollback",
        "get_lineage": "GET /api/v1/recommendations/{id}/lineage",
        "list_vetting": "GET /api/v1/vetting",
        "get_vetting": "GET /api/v1/vetting/{subject}/item",
        "decide_vetting": "POST /api/v1/vetting/{subject}/decision",
        "undo_vetting": "POST /api/v1/vetting/{subject}/undo",
        "report_actions": "POST /reportaction",
        "healthy": "GET /-/healthy",
        "ready": "GET /-/ready",
        "metrics": "GET /metrics",
    }
    assert json.dumps(document).count("ErrorBody") > len(found), "errors are described"
