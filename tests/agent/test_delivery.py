"""The model on its way to the node: proven before it is used, asked for no more than needed."""

from __future__ import annotations

import io
import logging
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobmend.agent import delivery as module
from jobmend.agent.config import Scorer, Uplink
from jobmend.agent.delivery import Delivery
from jobmend.agent.uplink import UplinkError
from jobmend.jobs.sealing import MAX_MODEL_BYTES, SealError, read_seal, seal

KEY = b"a key of the site"


def model(content: bytes = b"1", key: bytes = KEY) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("one.npy", content)
    return seal(buffer.getvalue(), key)


class Brain:
    """A server that answers as it is told and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.tag = 200, model(), ""
        self.asked: list[dict[str, str]] = []
        brain = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                brain.asked.append({"path": self.path, **dict(self.headers.items())})
                known = self.headers.get("If-None-Match", "")
                status = 304 if brain.tag and f'"{brain.tag}"' in known else brain.status
                self.send_response(status)
                self.send_header("ETag", f'"{brain.tag}"')
                body = brain.body if status != 304 else b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, data: bytes) -> str:
        self.body, self.tag = data, read_seal(data).version
        return self.tag


@pytest.fixture
def brain() -> Iterator[Brain]:
    one = Brain()
    yield one
    one.server.shutdown()
    one.server.server_close()


class Node:
    """Where models are delivered to."""

    def __init__(self, brain: Brain, folder: Path) -> None:
        (folder / "key").write_bytes(KEY)
        (folder / "token").write_text("secret\n")
        self.settings = Scorer(
            enabled=True,
            key_file=str(folder / "key"),
            model_file=str(folder / "model.npz"),
            poll_seconds=0.05,
        )
        way = Uplink(
            url=f"http://127.0.0.1:{brain.server.server_port}/below/",
            token_file=str(folder / "token"),
        )
        self.version, self.offered, self.takes = "", [], True
        self.delivery = Delivery(self.settings, way, lambda: self.version, self.offer)

    offered: list[str]

    def offer(self, path: str) -> bool:
        if self.takes:
            self.offered.append(path)
        return self.takes


@pytest.fixture
def node(brain: Brain, tmp_path: Path) -> Node:
    return Node(brain, tmp_path)


def test_a_model_is_fetched_once_and_for_the_agent_alone(brain: Brain, node: Node) -> None:
    version = brain.serve(model())
    assert node.delivery.fetch() == "ok"
    (path,) = map(Path, node.offered)
    assert path.read_bytes() == brain.body and path.stat().st_mode & 0o777 == 0o600
    assert brain.asked[0]["path"] == "/below/api/v1/models/traces"
    assert brain.asked[0]["Authorization"] == "Bearer secret"
    assert "If-None-Match" not in brain.asked[0]
    node.version = version
    assert node.delivery.fetch() == "unchanged"
    brain.serve(model(b"2"))
    assert node.delivery.fetch() == "ok" and len(node.offered) == 2


def test_one_that_the_scorer_did_not_take_is_tried_again_an_hour_later(
    brain: Brain, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    brain.serve(model())
    assert [node.delivery.fetch() for _ in range(2)] == ["ok", "unchanged"]
    monkeypatch.setattr(module, "TRY_AGAIN_SECONDS", 0.0)
    assert node.delivery.fetch() == "ok"


def test_one_that_nobody_has_time_for_is_fetched_again(brain: Brain, node: Node) -> None:
    brain.serve(model())
    node.takes = False
    assert node.delivery.fetch() == "ok"
    node.takes = True
    assert node.delivery.fetch() == "ok" and len(node.offered) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (model(key=b"of somebody else"), "signed with another key"),
        (model()[:-3], "no seal or is cut short"),
        (b"<html>", "no seal"),
        (bytes(MAX_MODEL_BYTES + 1), "at most 16777216 are read"),
    ],
    ids=["another key", "cut short", "a page", "too large"],  # not its sixteen million bytes
)
def test_what_may_not_be_used_is_refused_and_not_fetched_again(
    brain: Brain, node: Node, data: bytes, words: str
) -> None:
    brain.body, brain.tag = data, "0123"
    with pytest.raises(SealError, match=words):
        node.delivery.fetch()
    assert node.offered == []
    assert node.delivery.fetch() == "unchanged"


def test_a_key_that_is_not_there_is_said(brain: Brain, node: Node) -> None:
    brain.serve(model())
    Path(node.settings.key_file).unlink()
    with pytest.raises(SealError, match=r"\[scorer\] key_file .*key: No such file"):
        node.delivery.fetch()


def test_no_model_and_no_brain(brain: Brain, node: Node) -> None:
    brain.status = 404
    assert node.delivery.fetch() == "none"
    brain.status = 500
    with pytest.raises(UplinkError, match="answers 500"):
        node.delivery.fetch()
    brain.server.shutdown()
    brain.server.server_close()
    with pytest.raises(UplinkError, match="ConnectionRefusedError"):
        node.delivery.fetch()


def test_the_thread_counts_what_came_of_it_and_logs_trouble_once(
    brain: Brain, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    brain.status = 500
    stop = threading.Event()
    node.delivery._settings = node.settings
    thread = threading.Thread(target=node.delivery.run, args=(stop,))
    with caplog.at_level(logging.WARNING):
        thread.start()
        while node.delivery.fetches["failed"] < 3:
            stop.wait(0.02)
        brain.status = 200
        brain.serve(model())
        while not node.delivery.fetches["unchanged"]:
            stop.wait(0.02)
        stop.set()
        thread.join(timeout=60)
    assert node.delivery.fetches["ok"] == 1
    assert [one.getMessage() for one in caplog.records if one.name == module.__name__] == [
        f"the brain's model was not fetched: {node.delivery._way.url} answers 500"
    ]
