"""The panel: what operators see, and what hostile names cannot do to it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from jobmend.brain import recommendations
from jobmend.brain.models import champions
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
    assert "not known" in detail, "nobody has told of that run"
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


def test_a_browser_gets_errors_as_pages_and_a_program_as_json(server: Server) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path, status in (
        ("/recommendations/99", 404),
        ("/recommendations/x", 422),
        ("/nothing", 404),
        ("/?state=lost", 422),
        (f"/charts/{quote(HOSTILE[:30], safe='')}", 404),
    ):
        page = server.http.get(path, headers=browser)
        assert page.status_code == status and page.headers["content-type"].startswith("text/html")
        assert "That did not work" in page.text and "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert server.http.get(path).json()["error"]["message"]
    api = server.http.get("/api/v1/recommendations/99", headers=browser)
    assert api.json()["error"]["code"] == "not_found"


def test_the_page_names_its_place_its_time_zone_and_its_age(server: Server) -> None:
    for path, place in (("/", "/"), ("/models", "/models"), ("/vetting", "/vetting")):
        page = server.http.get(path).text
        assert re.findall(r'href="([^"]+)" aria-current="page"', page) == [place]
        assert re.search(r"as of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(UTC\)", page)
    assert "renewed every 30 s" in server.http.get("/").text


def test_the_recommendations_of_one_workflow(server: Server) -> None:
    for name in ("w1", HOSTILE, "w2"):
        propose(server, name, Action(ActionKind.RECOVER))
    page = server.http.get("/", params={"workflow": HOSTILE}).text
    assert page.count('<tr>\n<td class="id">') == 1 and "<script" not in page
    (link,) = re.findall(r'href="(/\?workflow=[^"]+)"', server.http.get("/recommendations/2").text)
    assert server.http.get(link).text.count('<td class="id">') == 1
    assert "no such recommendation of this workflow" in server.http.get("/?workflow=w9").text


def test_runs_are_told_with_their_ends_and_lead_to_charts(server: Server, tmp_path: Path) -> None:
    server.tell(*ended(1, OOM))
    server.brain.watcher.round()
    detail = server.http.get("/recommendations/1").text
    assert "out of memory" in detail and "/charts/" not in detail.split("<main>")[1]
    assert "Rules alone" in detail
    config = server.brain.config
    prometheus = config.server.model_copy(update={"prometheus": "http://127.0.0.1:9"})
    object.__setattr__(server.brain, "config", config.model_copy(update={"server": prometheus}))
    detail = server.http.get("/recommendations/1").text
    assert re.search(r'href="/charts/job\?cluster=c1&amp;job=1&amp;since=\w+"', detail)


def test_the_models_that_judged_lead_to_their_champions(server: Server) -> None:
    advice = Advice(
        "memory", Action(ActionKind.RECOVER), (run_of(1),), {ActionKind.RECOVER: 0.9}, ()
    )
    digest = "ab" * 32
    with server.brain.store.write() as db:
        recommendations.propose(
            db, Workflow("c1", "w1"), advice, "", NOW, models={"failures": digest}
        )
        body = {"arm": "xgboost"}
        champions.add(db, "failures", digest=digest, turn="t-1", now=NOW, why="better", body=body)
    assert f'href="/models#{digest[:12]}"' in server.http.get("/recommendations/1").text
    assert f'id="{digest[:12]}"' in server.http.get("/models").text
