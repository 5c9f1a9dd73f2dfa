from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from jobmend.brain.sources.promql import PromClient, PromError, Refused


class Answering(BaseHTTPRequestHandler):
    """Answers with what the server was given."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))  # unread, it would reset the answer
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.server.asked.append(dict(self.headers))  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "answers, but not as a Prometheus-compatible server"),
        (b"[]", "answers, but not as"),
        (b"[" * 100_000, "answers, but not as"),
        (
            b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"values":[[1]]}]}}',
            "answers, but",
        ),
        (
            b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}',
            "answers, but",
        ),
        (b'{"status":"error","error":"no \x1b[2J such"}', "no such"),
        (b'{"status":"error","error":"no \\u001b[2J such"}', "no \ufffd[2J such"),
    ],
)
def test_strange_answers(server: ThreadingHTTPServer, body: bytes, why: str) -> None:
    server.answer = 200, body  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{server.server_port}"
    with PromClient(url) as client, pytest.raises(PromError) as raised:
        client.query("up")
    assert str(raised.value).startswith(url)
    assert "\x1b" not in str(raised.value)
    assert why in str(raised.value) or "not as a Prometheus" in str(raised.value)


def test_a_password_is_sent_and_not_shown(server: ThreadingHTTPServer) -> None:
    server.answer = 401, b"who are you?"  # type: ignore[attr-defined]
    url = f"http://me:secret@127.0.0.1:{server.server_port}/under"
    with PromClient(url) as client, pytest.raises(Refused) as raised:
        client.query("up")
    assert "secret" not in str(raised.value) + client.name
    assert "401: who are you?" in str(raised.value)
    (headers,) = server.asked  # type: ignore[attr-defined]
    assert headers["Authorization"].startswith("Basic ")


def test_lines_of_an_export(server: ThreadingHTTPServer) -> None:
    lines = (
        b'{"metric":{"a":"\\"values\\":[Inf]"},"values":[1,+Inf,-Inf],"timestamps":[1000,2000,2500]}\n'
        b'\n{"metric":{},"values":[null,"Infinity"],"timestamps":[1,2]}'
    )
    server.answer = 200, lines  # type: ignore[attr-defined]
    with PromClient(f"http://127.0.0.1:{server.server_port}") as client:
        first, second = client.export(["a"], 0, 1)
        np.testing.assert_equal(first.values, [1, np.inf, -np.inf])
        np.testing.assert_equal(first.times, [1, 2, 2.5])
        np.testing.assert_equal(second.values, [np.nan, np.inf])
        assert first.labels == {"a": '"values":[Inf]'}
        for body in (b'{"metric":{},"values":[1],"timestamps":[]}', b"{", b"[]"):
            server.answer = 200, body  # type: ignore[attr-defined]
            with pytest.raises(PromError, match="answers, but not as"):
                list(client.export(["a"], 0, 1))
        server.answer = 400, b"no"  # type: ignore[attr-defined]
        assert not client.can_export()


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:80", "http://", "http://u:pw@:80", ""])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(PromError, match="is no address of a server") as raised:
        PromClient(url)
    assert "pw" not in str(raised.value)


def test_nobody_answers() -> None:
    with pytest.raises(PromError, match="^http://127.0.0.1:1 does not answer: "):
        PromClient("http://127.0.0.1:1").query("up")
