from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.exporter.negotiate import wants_gzip, wants_openmetrics


@pytest.mark.parametrize(
    "accept",
    [
        # Prometheus 2.42 and 3.5, and what its documentation shows.
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
        "*/*;q=0.2",
        "application/openmetrics-text; version=1.0.0; charset=utf-8;q=0.5,"
        "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "application/openmetrics-text",
        'APPLICATION/OpenMetrics-Text; Version="1.0.0" ; Q=0.9, */* ; q=0.8',
        "application/*, text/plain;q=0.9",
        "*/*, text/plain;q=0",
    ],
)
def test_who_is_sent_openmetrics(accept: str) -> None:
    assert wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html",
        "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0",  # a draw
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.3",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;version=1.0.0;q=0, */*",
    ],
)
def test_who_is_sent_text(accept: str) -> None:
    assert not wants_openmetrics(accept)


@pytest.mark.parametrize(
    ("accept_encoding", "wanted"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=1, identity;q=0.5", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*, gzip;q=0", False),
        ("*;q=0", False),
        ("gzip;q=0.5, identity;q=1", False),
        ("gzip;q=1_0", False),
    ],
)
def test_who_is_sent_gzip(accept_encoding: str, wanted: bool) -> None:
    assert wants_gzip(accept_encoding) is wanted


words = st.sampled_from(["gzip", "*", "*/*", "text/plain", ";", ",", "q=", "0.5", "version=", "=1"])


@given(st.one_of(st.text(max_size=80), st.lists(words, max_size=20).map("".join)))
def test_hostile_headers_are_decided_too(header: str) -> None:
    assert wants_gzip(header) in (True, False)
    assert wants_openmetrics(header) in (True, False)
