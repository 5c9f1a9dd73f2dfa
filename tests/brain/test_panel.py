"""The panel: what operators see, and what hostile names cannot do to it."""

from __future__ import annotations

import re

from jobmend.brain import recommendations
from jobmend.jobs.actions import Action, ActionKind, Advice, Evidence
from jobmend.jobs.identity import Workflow
from tests.brain.conftest import Server
from tests.brain.scene import NOW, OOM, ended, run_of

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\" onload='x' {{7*7}}"


def propose(server: Server, workflow: str, action: Action, text: str = "reason") -> None:
    evidence = (Evidence("rule", text),)
    advice = Advice("memory", action, (run_of(1),), {action.kind: 0.9}, evidence)
    with server.brain.store.write() as db:
        recommendations.propose(db, Workflow("c1", workflow), advice, "", NOW)


def test_an_empty_panel_says_so(server: Server) -> None:
    assert "Nothing ails any workflow." in server.http.get("/").text
    assert "No recommendation is applied." in server.http.get("/?state=applied").text


def test_a_recommendation_is_listed_and_explained(server: Server) -> None:
    action = Action(ActionKind.RECOVER, memory_bytes=3 << 30, sites_avoid=("s1",))
    propose(server, "montage", action, "12 of 40 runs out of memory")
    page = server.http.get("/").text
    for words in (
        "montage",
        "memory",
        "recover with 3 GiB of memory, not at s1",
        "90 %",
        "proposed",
    ):
        assert words in page
    assert "montage" not in server.http.get("/?state=verified").text
    detail = server.http.get("/recommendations/1").text
    for words in ("12 of 40 runs out of memory", "c1/memory/1/0", "jobmend apply 1 --dry-run"):
        assert words in detail
    assert "2027-01-15T08:00:00Z" in detail


def test_applied_steps_and_the_audit_are_shown(server: Server) -> None:
    server.tell(*ended(1, OOM))
    server.brain.watcher.round()
    server.brain.acting.apply(1, "operator ann")
    detail = server.http.get("/recommendations/1").text
    assert "1 step, 1 done" in detail and "operator ann" in detail
    assert "c1/memory/1/1" in detail, "the run that followed"
    assert "jobmend apply" not in detail


def test_hostile_names_stay_text(server: Server) -> None:
    propose(server, HOSTILE, Action(ActionKind.RECOVER, sites_avoid=(HOSTILE,)), HOSTILE)
    for path in ("/", "/recommendations/1"):
        page = server.http.get(path).text
        assert "<script" not in page and "onload='" not in page
        assert "\x1b" not in page and "\u202e" not in page
        assert "&lt;script&gt;" in page and "{{7*7}}" in page


def test_the_style_sheet_is_the_one_the_policy_allows(server: Server) -> None:
    import base64
    import hashlib

    answer = server.http.get("/")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert " style=" not in answer.text and "<script" not in answer.text


def test_a_scheduler_that_does_not_answer_is_an_alarm(server: Server) -> None:
    server.scheduler.history_error = OSError("<b>sacct</b> is gone")
    server.brain.watcher.round()
    page = server.http.get("/").text
    assert "memory of cluster c1 gives no history: &lt;b&gt;sacct&lt;/b&gt; is gone" in page
