"""The pages of vetting: what waits is shown, and only who logged in says what is normal."""

from __future__ import annotations

import re

import pytest

from jobmend.brain import quarantine
from jobmend.brain.evidence import Evidence, Neighbour, Reading
from jobmend.brain.panel.attempts import MOST, Attempts
from jobmend.brain.quarantined import Item, Vetting
from tests.brain.conftest import Server
from tests.brain.scene import NOW
from tests.brain.test_panel import HOSTILE

KEY = f"n1/1800000000.000/0-1/{HOSTILE}"


@pytest.fixture
def item(server: Server) -> Item:
    item = Item("traces", KEY, "t-1", NOW - 600, NOW - 60, HOSTILE, 0.004, HOSTILE)
    evidence = Evidence(
        facts={"workflow": HOSTILE},
        runs=["c1/memory/1/0"],
        readings=[Reading("user, mean", 0.9, 0.1, 0.2, 0.3), Reading(HOSTILE, None)],
        neighbours=[Neighbour(HOSTILE, "fit", NOW - 9000, 1.5, "healthy")],
        step_seconds=0.1,
        curves={"user": [0.1, None, 0.9], HOSTILE: [0.0, 0.0, 0.0], "steal": [None, None, None]},
        counts={HOSTILE: 3},
    )
    with server.brain.store.write() as db:
        assert quarantine.add(db, item, evidence)
    return item


def log_in(server: Server, name: str = "ann") -> str:
    """Log in; the word that forms must carry."""
    form = {"token": server.brain.tokens.operator, "name": name}
    answer = server.http.post("/login", data=form, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/vetting"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    (word,) = re.findall(r'name="word" value="([^"]+)"', server.http.get("/login").text)
    return str(word)


def page_of(item: Item) -> str:
    return f"/vetting/traces/{item.id}"


def state_of(server: Server) -> tuple[Vetting, str]:
    with server.brain.store.read() as db:
        return quarantine.decisions(db, "traces")[KEY]


def test_what_waits_is_listed_and_explained(server: Server, item: Item) -> None:
    page = server.http.get("/vetting").text
    assert item.id in page and "0.004" in page and "<b>1</b> waiting" in page
    assert "Nothing is ignored." in server.http.get("/vetting?state=ignored").text
    detail = server.http.get(page_of(item)).text
    for words in ("user, mean", "0.1, 0.2, 0.3", "c1/memory/1/0", "fit", "jobmend vet accept"):
        assert words in detail
    assert "<form" not in detail


def test_hostile_names_stay_text(server: Server, item: Item) -> None:
    for path in ("/vetting", page_of(item)):
        page = server.http.get(path).text
        assert "<script" not in page and "\x1b" not in page and "\u202e" not in page
        assert "&lt;script&gt;" in page
    picture = server.http.get(f"{page_of(item)}/trace.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "<script" not in picture.text and "&lt;script&gt;" in picture.text


def test_who_logged_in_decides_and_takes_it_back(server: Server, item: Item) -> None:
    word = log_in(server)
    assert "Accept as normal" in server.http.get(page_of(item)).text

    def say(**form: str) -> int:
        told = {"word": word, **form}
        return int(server.http.post(page_of(item), data=told, follow_redirects=False).status_code)

    assert say(say="normal") == 303
    assert state_of(server) == (Vetting.NORMAL, "normal")
    assert say(say="undo") == 303
    assert state_of(server) == (Vetting.WAITING, "")
    assert say(say="anomaly", label="hang") == 303
    assert state_of(server) == (Vetting.ANOMALY, "hang")
    assert "operator ann" in server.http.get(page_of(item)).text
    assert say(say="anomaly") == 409 and say(say="nonsense") == 409
    assert state_of(server) == (Vetting.ANOMALY, "hang")


def test_nobody_else_decides(server: Server, item: Item) -> None:
    path = page_of(item)
    assert server.http.post(path, data={"say": "normal"}).status_code == 401
    bearer = server.http.post(path, data={"say": "normal"}, headers=server.operator)
    assert bearer.status_code == 401, "the API has a route for programs"
    word = log_in(server)
    assert server.http.post(path, data={"say": "normal"}).status_code == 403
    assert server.http.post(path, data={"say": "normal", "word": "x" + word}).status_code == 403
    assert server.http.post("/logout", data={"word": word}).status_code == 200
    assert server.http.post(path, data={"say": "normal", "word": word}).status_code == 401
    assert state_of(server) == (Vetting.WAITING, "")


def test_a_wrong_token_opens_no_session(server: Server) -> None:
    for token in ("", "wrong", server.brain.tokens.ingest, "\u00e4"):
        answer = server.http.post("/login", data={"token": token})
        assert answer.status_code == 401 and "set-cookie" not in answer.headers
        assert "not the operator" in answer.text


def test_who_guesses_has_to_wait(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    wrong = [server.http.post("/login", data={"token": f"guess{n}"}).status_code for n in range(5)]
    assert wrong == [401] * 5
    right = {"token": server.brain.tokens.operator}
    refused = server.http.post("/login", data=right)
    assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 60
    assert "try again in" in refused.json()["error"]["message"]
    assert "from testclient" in caplog.text and "guess" not in caplog.text
    assert server.brain.tokens.operator not in caplog.text


def test_wrong_tokens_are_counted_by_address_for_a_minute() -> None:
    attempts = Attempts()
    for number in range(MOST):
        assert attempts.wait("a", 100.0 + number) == 0
        attempts.note("a", 100.0 + number)
    assert attempts.wait("a", 110.0) == 50.0 and attempts.wait("b", 110.0) == 0
    assert attempts.wait("a", 160.0) == 0, "the first no longer counts"
    assert attempts.wait("a", 50.0) == 0, "a clock that went back locks nobody out"


def test_a_session_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(server)
    assert "You decide as" in server.http.get("/login").text
    now = server.brain.clock()
    monkeypatch.setattr("jobmend.brain.panel.sessions.SECONDS", 0.0)
    from jobmend.brain.panel.sessions import Sessions

    sessions = Sessions()
    assert sessions.find(sessions.begin("ann", now), now) is None


def test_what_is_not_there_is_not_found(server: Server, item: Item) -> None:
    for path in ("/vetting/traces/0123456789", "/vetting/failures/" + item.id):
        assert server.http.get(path).status_code == 404


def test_the_page_of_models_without_any(server: Server) -> None:
    page = server.http.get("/models").text
    assert page.count("No model is trained yet") == 2
