from __future__ import annotations

import contextlib
import gzip
import os
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmend.exporter import connection
from jobmend.exporter import endpoint as module
from jobmend.exporter.endpoint import MAX_CLIENTS, MAX_UNSENT, WORKERS, Endpoint, parse_address
from jobmend.jobs.version import VERSION
from tests.exporter.serving import (
    OPENMETRICS_PAGE,
    PAGE,
    Source,
    connected,
    eventually,
    get,
    let_go,
    read_answer,
    serving,
)

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: n1\r\n\r\n"


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_the_metrics_page(endpoint: Endpoint) -> None:
    kind = "text/plain; version=0.0.4; charset=utf-8"
    for path in ("/metrics", "/metrics?name[]=x"):
        answer = get(endpoint.port, path)
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, kind, PAGE)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer = get(endpoint.port, "/metrics", "HEAD")
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(PAGE)))


def test_openmetrics_for_who_asks(endpoint: Endpoint) -> None:
    answer = get(endpoint.port, headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["Content-Type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert answer.body == OPENMETRICS_PAGE
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


def test_gzip_for_who_takes_it_where_it_pays(endpoint: Endpoint, source: Source) -> None:
    takes = {"Accept-Encoding": "gzip"}
    assert "Content-Encoding" not in get(endpoint.port, headers=takes).headers
    source.page = b"demo_total 1\n" * 1000
    answer = get(endpoint.port, headers=takes)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 500
    assert gzip.decompress(answer.body) == source.page
    refused = get(endpoint.port, headers={"Accept-Encoding": "gzip;q=0"})
    assert (refused.body, refused.headers["Content-Encoding"]) == (source.page, None)


def test_health_readiness_and_the_landing_page(endpoint: Endpoint, source: Source) -> None:
    assert get(endpoint.port, "/-/healthy").status == 200
    assert get(endpoint.port, "/-/ready").status == 200
    source.is_ready = False
    assert get(endpoint.port, "/-/ready").status == 503
    assert get(endpoint.port, "/-/healthy").status == 200
    landing = get(endpoint.port, "/").body.decode()
    assert VERSION in landing
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{path}"' in landing
        assert get(endpoint.port, path).body


def test_what_is_not_there_is_said(endpoint: Endpoint) -> None:
    assert get(endpoint.port, "/etc/passwd").status == 404
    answer = get(endpoint.port, "/metrics", "POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_another_path(source: Source) -> None:
    running = Endpoint("127.0.0.1:0", source.metrics, source.ready, path="/node/metrics")
    running.start()
    try:
        assert get(running.port, "/node/metrics").body == PAGE
        assert get(running.port, "/metrics").status == 404
        assert b'href="/node/metrics"' in get(running.port, "/").body
    finally:
        running.stop()


@pytest.mark.parametrize("path", ["", "metrics", "/", "/-/ready", "/a?b", "/a b", '/"><x', "/\n"])
def test_what_is_no_path_of_metrics(path: str, source: Source) -> None:
    with pytest.raises(ValueError, match="write"):
        Endpoint("127.0.0.1:0", source.metrics, source.ready, path=path)


def test_a_page_that_fails_is_a_500_and_the_next_one_works(
    endpoint: Endpoint, source: Source
) -> None:
    source.broken = True
    answer = get(endpoint.port)
    assert (answer.status, answer.body) == (500, b"see the agent's log\n")  # nothing of the error
    source.broken = False
    assert get(endpoint.port).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x00\xff\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/3\r\n\r\n", 505),
        (b"A" * 40_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000, 431),
    ],
)
def test_what_is_no_request_is_told_so_and_let_go(
    endpoint: Endpoint, request_bytes: bytes, status: int
) -> None:
    with connected(endpoint.port) as client:
        client.sendall(request_bytes)
        answer = read_answer(client)
        assert (answer.status, answer.headers["Connection"]) == (status, "close")


def test_a_connection_serves_one_request_after_another(endpoint: Endpoint) -> None:
    with connected(endpoint.port) as client:
        for _ in range(3):
            client.sendall(SCRAPE)
            assert read_answer(client).body == PAGE
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert read_answer(client).headers["Connection"] == "close"
        assert client.recv(1) == b""


def test_requests_sent_together_are_answered_in_turn(endpoint: Endpoint) -> None:
    with connected(endpoint.port) as client:
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(50)))
        client.sendall(b"HEAD /metrics HTTP/1.1\r\n\r\nGET /-/healthy HTTP/1.1\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            got = stream.read()
    assert got.count(b"HTTP/1.1 404 ") == 50
    assert got.count(b"HTTP/1.1 200 ") == 2
    assert got.endswith(b"healthy\n")
    assert PAGE not in got


def test_a_head_in_pieces(endpoint: Endpoint) -> None:
    with connected(endpoint.port) as client:
        for byte in SCRAPE:
            client.sendall(bytes([byte]))
        assert read_answer(client).body == PAGE


def test_what_follows_an_announced_body_is_no_request(endpoint: Endpoint) -> None:
    with connected(endpoint.port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nContent-Length: 40\r\n\r\n" + SCRAPE)
        assert read_answer(client).headers["Connection"] == "close"
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_clients_that_idle_hold_no_thread(endpoint: Endpoint) -> None:
    """A scraper keeps its connection between scrapes; others are served meanwhile."""
    with contextlib.ExitStack() as stack:
        scrapers = [stack.enter_context(connected(endpoint.port)) for _ in range(WORKERS * 4)]
        for _ in range(2):
            for scraper in scrapers:
                scraper.sendall(SCRAPE)
                assert read_answer(scraper).body == PAGE
        assert get(endpoint.port).status == 200


def test_slow_senders_hold_no_thread_and_are_let_go(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 1.0)
    with serving(source) as endpoint, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(endpoint.port)) for _ in range(WORKERS * 4)]
        for client in slow:
            client.sendall(b"GET /metrics HT")
        assert get(endpoint.port).status == 200
        for client in slow:
            with contextlib.suppress(OSError):
                client.sendall(b"T")  # a byte now and then wins no time
        assert all(map(let_go, slow))
        assert get(endpoint.port).status == 200


def test_an_idle_client_is_let_go_in_the_end(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    with serving(source) as endpoint, connected(endpoint.port) as client:
        client.sendall(SCRAPE)
        assert read_answer(client).status == 200
        assert client.recv(1) == b""


def test_clients_are_bounded_and_those_that_waited_longest_make_room(endpoint: Endpoint) -> None:
    before = open_descriptors()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(endpoint.port)) for _ in range(MAX_CLIENTS + 20)]
        assert get(endpoint.port).status == 200
        assert silent[0].recv(1) == b""
        # Each client has two ends in this process.
        assert open_descriptors() <= before + len(silent) + MAX_CLIENTS
        silent[-1].sendall(SCRAPE)
        assert read_answer(silent[-1]).status == 200


def test_slow_takers_get_the_whole_page(endpoint: Endpoint, source: Source) -> None:
    source.page = os.urandom(8 << 20)  # more than the kernel takes at once
    with connected(endpoint.port) as client:
        client.sendall(SCRAPE)
        assert get(endpoint.port, "/-/healthy").status == 200
        assert read_answer(client).body == source.page
        client.sendall(b"GET /-/healthy HTTP/1.1\r\n\r\n")
        assert read_answer(client).body == b"healthy\n"


def test_pages_that_nobody_takes_are_bounded(endpoint: Endpoint, source: Source) -> None:
    source.page = bytes(8 << 20)
    with contextlib.ExitStack() as stack:
        takers = []
        for number in range(MAX_UNSENT + 3):
            takers.append(stack.enter_context(connected(endpoint.port)))
            takers[-1].sendall(SCRAPE)
            assert eventually(lambda done=number: len(source.asked) > done)  # type: ignore[misc]
        assert get(endpoint.port, "/-/healthy").status == 200
        unsent = [c for c in endpoint._waiting.values() if c.unsent]
        assert len(unsent) <= MAX_UNSENT
        assert len(read_answer(takers[-1]).body) == len(source.page)


def test_a_taker_that_is_too_slow_is_let_go(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 0.5)
    source.page = bytes(8 << 20)
    with serving(source) as endpoint, connected(endpoint.port) as client:
        client.sendall(SCRAPE)
        assert eventually(lambda: len(source.asked) == 1)
        assert eventually(lambda: not endpoint._waiting)


def test_a_page_long_in_the_making_does_not_keep_others(
    endpoint: Endpoint, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(source, "ready", go_on.wait)
    with serving(source) as slow, connected(slow.port) as client:
        client.sendall(b"GET /-/ready HTTP/1.1\r\n\r\n")
        assert get(slow.port).status == 200
        go_on.set()
        assert read_answer(client).status == 200


def test_stopping_closes_everything(source: Source) -> None:
    before, threads = open_descriptors(), threading.active_count()
    with serving(source) as endpoint, connected(endpoint.port) as client:
        client.sendall(SCRAPE)
        assert read_answer(client).status == 200
        assert threading.active_count() == threads + WORKERS
        endpoint_port = endpoint.port
        idle = connected(endpoint_port)
    assert idle.recv(1) == b""
    idle.close()
    assert (open_descriptors(), threading.active_count()) == (before, threads)
    with pytest.raises(ConnectionError):
        connected(endpoint_port)


def test_an_endpoint_that_never_started_can_be_stopped(source: Source) -> None:
    before = open_descriptors()
    Endpoint("127.0.0.1:0", source.metrics, source.ready).stop()
    assert open_descriptors() == before


def test_an_address_that_is_taken_is_an_error(endpoint: Endpoint, source: Source) -> None:
    before = open_descriptors()
    with pytest.raises(OSError, match="in use"):
        Endpoint(f"127.0.0.1:{endpoint.port}", source.metrics, source.ready)
    assert open_descriptors() == before


def test_out_of_descriptors_clients_make_room(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """The listener, while the process may open no more."""

        def __init__(self, listener: socket.socket) -> None:
            self.listener = listener
            self.refusals = 3

        def accept(self) -> tuple[socket.socket, object]:
            self.refusals -= 1
            if self.refusals >= 0:
                raise OSError(24, os.strerror(24))
            return self.listener.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self.listener, name)

    with connected(endpoint.port) as idle:
        idle.sendall(SCRAPE)
        assert read_answer(idle).status == 200
        monkeypatch.setattr(module, "_REST_SECONDS", 0.01)
        monkeypatch.setattr(endpoint, "_listener", Full(endpoint._listener))
        assert get(endpoint.port).status == 200
        assert idle.recv(1) == b""


pieces = st.sampled_from(
    [
        b"GET ",
        b"HEAD ",
        b"/metrics",
        b" HTTP/1.1",
        b"\r\n",
        b"\r\n\r\n",
        b"Content-Length: 2",
        b"\0",
    ]
)


@settings(max_examples=100, suppress_health_check=[*HealthCheck])
@given(sent=st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=15).map(b"".join)))
def test_whatever_is_sent_is_answered_validly_or_closed(endpoint: Endpoint, sent: bytes) -> None:
    with connected(endpoint.port) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        if b"HEAD " not in sent:  # what answers a HEAD cannot be told from what comes next
            while (answer := read_answer(client)).status:
                assert answer.status in (200, 400, 404, 405, 505)
                assert answer.body
    assert get(endpoint.port, "/-/healthy").status == 200


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
