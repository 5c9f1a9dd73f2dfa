from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from jobmend.exporter import endpoint as module
from jobmend.exporter.endpoint import MAX_THREADS, Endpoint, parse_address


class Source:
    """What the endpoint serves: a page, or an error, and whether it is ready."""

    def __init__(self) -> None:
        self.page = b"demo_total 1\n"
        self.broken = False
        self.is_ready = True

    def metrics(self) -> bytes:
        if self.broken:
            raise RuntimeError("no page")
        return self.page

    def ready(self) -> bool:
        return self.is_ready


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def endpoint(source: Source) -> Iterator[Endpoint]:
    server = Endpoint("127.0.0.1:0", source.metrics, source.ready)
    server.start()
    yield server
    server.stop()


def get(endpoint: Endpoint, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_the_metrics_page(endpoint: Endpoint) -> None:
    kind = "text/plain; version=0.0.4; charset=utf-8"
    assert get(endpoint, "/metrics") == (200, kind, b"demo_total 1\n")
    assert get(endpoint, "/metrics?name[]=x") == (200, kind, b"demo_total 1\n")
    assert get(endpoint, "/metrics", "HEAD") == (200, kind, b"")


def test_health_readiness_and_the_landing_page(endpoint: Endpoint, source: Source) -> None:
    assert get(endpoint, "/-/healthy")[0] == 200
    assert get(endpoint, "/-/ready")[0] == 200
    source.is_ready = False
    assert get(endpoint, "/-/ready")[0] == 503
    assert get(endpoint, "/-/healthy")[0] == 200
    assert b'href="/metrics"' in get(endpoint, "/")[2]


def test_what_is_not_there_is_said(endpoint: Endpoint) -> None:
    assert get(endpoint, "/etc/passwd")[0] == 404
    assert get(endpoint, "/metrics", "POST")[0] == 405


def test_a_page_that_fails_is_a_500_and_the_next_one_works(
    endpoint: Endpoint, source: Source
) -> None:
    source.broken = True
    status, _, body = get(endpoint, "/metrics")
    assert (status, body) == (500, b"see the agent's log\n")  # nothing of the error itself
    source.broken = False
    assert get(endpoint, "/metrics")[0] == 200


@pytest.mark.parametrize("request_bytes", [b"\x00\xff\r\n\r\n", b"A" * 40_000, b"GET /\r\n\r\n"])
def test_what_is_no_http_is_a_400(endpoint: Endpoint, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as client:
        client.sendall(request_bytes)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_silent_clients_are_bounded_and_let_go(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.5)
    silent = [
        socket.create_connection(("127.0.0.1", endpoint.port), timeout=10)
        for _ in range(MAX_THREADS)
    ]
    time.sleep(0.2)
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as one_too_many:
        assert one_too_many.recv(100) == b""  # turned away at once
    time.sleep(0.6)
    assert get(endpoint, "/-/healthy")[0] == 200
    for client in silent:
        client.close()


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:9807", ("127.0.0.1", 9807)),
        (":0", ("", 0)),
        ("[::1]:80", ("::1", 80)),
        ("node.example:1", ("node.example", 1)),
    ],
)
def test_listen_addresses(listen: str, address: tuple[str, int]) -> None:
    assert parse_address(listen) == address


@pytest.mark.parametrize("listen", ["9807", "host:", "host:http", "host:99999", "::1:80", "a:1_0"])
def test_what_is_no_listen_address(listen: str) -> None:
    with pytest.raises(ValueError, match="no host:port"):
        parse_address(listen)
