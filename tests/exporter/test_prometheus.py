"""A real Prometheus scrapes the endpoint, with everything in the way that may be."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobmend.exporter.endpoint import Endpoint
from jobmend.exporter.web.config import WebConfig
from tests import servers
from tests.exporter.serving import HASH, PASSWORD, Certificates, Source, eventually, get, serving

pytest.importorskip("yaml")
pytest.importorskip("bcrypt")
SCRAPES = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: jobmend
    scheme: https
    tls_config:
      ca_file: {folder}/ca.pem
      cert_file: {folder}/client.pem
      key_file: {folder}/client.key
    basic_auth: {{username: prometheus, password: {password}}}
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


@pytest.fixture
def guarded(web_file: Callable[..., Path], source: Source) -> Iterator[Endpoint]:
    users = f"basic_auth_users: {{prometheus: {HASH}}}\n"
    verified = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
    with serving(source, WebConfig(web_file(users, verified))) as endpoint:
        yield endpoint


@pytest.fixture
def prometheus(guarded: Endpoint, certificates: Certificates, tmp_path: Path) -> Iterator[int]:
    """A Prometheus that scrapes ``guarded``; its port."""
    config = tmp_path / "prometheus.yml"
    config.write_text(
        SCRAPES.format(folder=certificates.folder, password=PASSWORD, port=guarded.port)
    )
    with servers.prometheus(config, tmp_path) as url:
        yield int(url.rpartition(":")[2])


def query(port: int, expression: str) -> list[Any]:
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        answer = get(port, path)
    except OSError:  # it is not up yet
        return []
    if answer.status != 200:
        return []
    result = json.loads(answer.body)["data"]["result"]
    return [series["value"][1] for series in result]


def test_a_real_prometheus_scrapes_over_tls_with_certificate_and_password(
    prometheus: int, guarded: Endpoint, source: Source
) -> None:
    assert eventually(lambda: query(prometheus, "demo_total") == ["2"], seconds=60)
    assert eventually(lambda: query(prometheus, 'up{job="jobmend"}') == ["1"])
    assert all(source.asked)  # it asked for OpenMetrics, in which the counter is 2
    # One connection serves all scrapes.
    assert eventually(lambda: len(source.asked) > 5)
    assert len(guarded._waiting) <= 1
