from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobmend.exporter.endpoint import Endpoint
from tests.exporter.serving import Certificates, Source, serving


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def endpoint(source: Source) -> Iterator[Endpoint]:
    with serving(source) as running:
        yield running


@pytest.fixture(scope="session")
def made_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH")
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("ca", "DNS:ca.example")
    made.make("server", "IP:127.0.0.1,DNS:localhost", "ca")
    made.make("client", "DNS:scraper.example,IP:::1", "ca")
    made.make("stranger", "DNS:scraper.example")
    return made


@pytest.fixture
def certificates(made_certificates: Certificates, tmp_path: Path) -> Certificates:
    """Certificates that a test may change."""
    shutil.copytree(made_certificates.folder, tmp_path / "certificates")
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def web_file(certificates: Certificates) -> Callable[..., Path]:
    """Writes a web configuration beside the certificates; with TLS and ``more`` of its table."""

    def write(rest: str = "", more: str = "", *, tls: bool = True) -> Path:
        path = certificates.folder / "web.yml"
        table = f"tls_server_config: {{cert_file: server.pem, key_file: server.key, {more}}}\n"
        path.write_text((table if tls else "") + rest)
        return path

    return write
