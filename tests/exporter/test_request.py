from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.exporter.request import BadRequest, parse_head


def test_a_scrapers_request() -> None:
    request = parse_head(
        b"GET /metrics?name[]=x HTTP/1.1\r\nHost: n1:9807\r\nACCEPT: text/plain;q=0.5\r\n"
        b"Accept:*/*\r\nX-Empty:\r\nAuthorization:\t Basic eA== "
    )
    assert (request.method, request.path, request.keep) == ("GET", "/metrics", True)
    assert request.headers["accept"] == "text/plain;q=0.5, */*"
    assert request.headers["authorization"] == "Basic eA=="
    assert request.headers["x-empty"] == ""


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (b"GET / HTTP/1.1", "/"),
        (b"GET http://n1:9807/metrics?x HTTP/1.1", "/metrics"),
        (b"GET HTTPS://n1 HTTP/1.1", "/"),
        (b"GET /caf\xe9 HTTP/1.0", "/caf\xe9"),
    ],
)
def test_the_path(line: bytes, path: str) -> None:
    assert parse_head(line).path == path


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0",
        b"GET / HTTP/1.1\r\nConnection: close",
        b"GET / HTTP/1.1\r\nConnection: TE, Close",
        b"GET / HTTP/1.1\r\nContent-Length: 3",
        b"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 3",
        b"GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_ends_the_connection(head: bytes) -> None:
    assert not parse_head(head).keep


def test_a_request_that_says_it_has_no_body_keeps_it() -> None:
    assert parse_head(b"GET / HTTP/1.1\r\nContent-Length: 0").keep


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"G\x00T / HTTP/1.1", 400),
        (b"GET metrics HTTP/1.1", 400),
        (b"GET ftp://n1/ HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nno field", 400),
        (b"GET / HTTP/1.1\r\nHost : n1", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded: c", 400),
        (b"GET / HTTP/1.1\r\n: b", 400),
        (b"GET / HTTP/1.1\nHost: n1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/1.\xb9", 505),
    ],
)
def test_what_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_head(head)
    assert refused.value.status == status


pieces = st.sampled_from(
    [b"GET", b"HEAD", b" ", b"/", b"/metrics", b"HTTP/1.1", b"\r\n", b":", b"Connection", b"close"]
)


@given(st.one_of(st.binary(max_size=300), st.lists(pieces, max_size=20).map(b"".join)))
def test_hostile_heads_are_read_or_refused(head: bytes) -> None:
    try:
        request = parse_head(head)
    except BadRequest as refused:
        assert refused.status in (400, 505)
        assert str(refused).isprintable()
    else:
        assert request.path.startswith("/")
        assert "?" not in request.path
        assert all(set(name) <= {*string.printable} for name in request.headers)
