from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from jobmend.exporter.endpoint import Endpoint
from jobmend.exporter.web.config import WebConfig, load_web_config
from jobmend.exporter.web.errors import WebConfigError
from tests.exporter.serving import (
    HASH,
    PAGE,
    PASSWORD,
    Certificates,
    Source,
    basic,
    connected,
    get,
    read_answer,
    serving,
)

pytest.importorskip("yaml")
pytest.importorskip("bcrypt")
WebFileWriter = Callable[..., Path]
USERS = f"basic_auth_users: {{a: {HASH}}}\n"


def change(path: Path, text: str) -> None:
    """Write ``path`` anew, as a rename does: another file in one step."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def certificate_of(endpoint: Endpoint, certificates: Certificates) -> Mapping[str, object]:
    with (
        connected(endpoint.port) as channel,
        certificates.client().wrap_socket(channel, server_hostname="127.0.0.1") as client,
    ):
        return client.getpeercert() or {}


def test_no_file_no_configuration() -> None:
    assert load_web_config("") is None


def test_an_empty_file_changes_nothing(tmp_path: Path, source: Source) -> None:
    (tmp_path / "web.yml").write_text("")
    with serving(source, load_web_config(str(tmp_path / "web.yml"))) as endpoint:
        answer = get(endpoint.port)
    assert (answer.body, answer.headers["X-Content-Type-Options"]) == (PAGE, "nosniff")


def test_headers(tmp_path: Path, source: Source) -> None:
    (tmp_path / "web.yml").write_text(
        "http_server_config: {headers: {X-Frame-Options: deny, X-Content-Type-Options: ''}}"
    )
    with serving(source, WebConfig(tmp_path / "web.yml")) as endpoint:
        for path in ("/metrics", "/nowhere"):
            answer = get(endpoint.port, path)
            assert answer.headers["X-Frame-Options"] == "deny"
            assert answer.headers["X-Content-Type-Options"] is None


def test_every_page_asks_for_the_password(tmp_path: Path, source: Source) -> None:
    (tmp_path / "web.yml").write_text(USERS)
    with serving(source, WebConfig(tmp_path / "web.yml")) as endpoint:
        for path in ("/metrics", "/-/healthy", "/-/ready", "/", "/nowhere"):
            refused = get(endpoint.port, path)
            assert refused.status == 401
            assert (refused.headers["WWW-Authenticate"] or "").startswith("Basic realm=")
            assert get(endpoint.port, path, headers=basic("a", "wrong")).status == 401
            assert get(endpoint.port, path, headers=basic("a", PASSWORD)).status != 401
        assert source.asked == [False]
        assert get(endpoint.port, headers=basic("a", PASSWORD)).body == PAGE


def test_passwords_change_without_a_restart(tmp_path: Path, source: Source) -> None:
    path = tmp_path / "web.yml"
    path.write_text(USERS)
    with serving(source, WebConfig(path)) as endpoint, connected(endpoint.port) as client:
        name, value = next(iter(basic("a", PASSWORD).items()))
        request = f"GET /metrics HTTP/1.1\r\n{name}: {value}\r\n\r\n".encode()
        client.sendall(request)
        assert read_answer(client).status == 200
        change(path, f"basic_auth_users: {{b: {HASH}}}")
        client.sendall(request)  # the connection stays, the user does not
        assert read_answer(client).status == 401
        assert get(endpoint.port, headers=basic("b", PASSWORD)).status == 200


def test_a_certificate_is_renewed_without_a_restart(
    web_file: WebFileWriter, certificates: Certificates, source: Source
) -> None:
    with serving(source, WebConfig(web_file())) as endpoint:
        before = certificate_of(endpoint, certificates)
        assert before == certificate_of(endpoint, certificates)
        certificates.make("server", "IP:127.0.0.1", "ca")
        after = certificate_of(endpoint, certificates)
    assert after["serialNumber"] != before["serialNumber"]


def test_half_a_renewal_keeps_the_former_certificate(
    web_file: WebFileWriter,
    certificates: Certificates,
    source: Source,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = certificates.folder / "server.pem"
    certificates.make("other", "IP:127.0.0.1", "ca")
    with serving(source, WebConfig(web_file())) as endpoint:
        before = certificate_of(endpoint, certificates)
        shutil.copy(certificates.folder / "other.pem", server)
        for _ in range(3):
            assert certificate_of(endpoint, certificates) == before
        (told,) = [r.message for r in caplog.records if r.levelno == logging.ERROR]
        assert "give two that belong together; the former settings stay in force" in told
        shutil.copy(certificates.folder / "other.key", certificates.folder / "server.key")
        assert certificate_of(endpoint, certificates)["subject"] == ((("commonName", "other"),),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "TLS was in force"),
        ("nonsense: 1", "nonsense: no such key"),
        ("tls_server_config: {cert_file: server.pem, key_file: server.key}", "passwords were in"),
        ("tls_server_config: {cert_file: gone.pem, key_file: server.key}", "gone.pem cannot be"),
    ],
)
def test_a_change_that_cannot_be_used_is_told_once_and_opens_nothing(
    text: str,
    told: str,
    web_file: WebFileWriter,
    certificates: Certificates,
    source: Source,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = web_file(USERS)
    with serving(source, WebConfig(path)) as endpoint:
        change(path, text)
        for _ in range(3):
            assert get(endpoint.port, tls=certificates.client()).status == 401
        right = get(endpoint.port, headers=basic("a", PASSWORD), tls=certificates.client())
        assert right.body == PAGE
        path.unlink()
        assert get(endpoint.port, tls=certificates.client()).status == 401
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert told in errors[0]
    assert "web.yml: cannot be read: No such file" in errors[1]
    assert PASSWORD not in caplog.text
    assert HASH[7:] not in caplog.text


def test_a_file_that_is_missing_is_waited_for(
    web_file: WebFileWriter, certificates: Certificates, source: Source
) -> None:
    """A new file names a certificate that comes a little later."""
    path = web_file()
    with serving(source, WebConfig(path)) as endpoint:
        change(path, "tls_server_config: {cert_file: late.pem, key_file: late.key}")
        assert get(endpoint.port, tls=certificates.client()).status == 200
        certificates.make("late", "IP:127.0.0.1", "ca")
        assert certificate_of(endpoint, certificates)["subject"] == ((("commonName", "late"),),)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: path.unlink(), "web.yml: cannot be read: No such file or directory"),
        (lambda path: path.write_text("a: 1"), "web.yml: a: no such key"),
        (
            lambda path: (path.parent / "server.key").unlink(),
            "tls_server_config: key_file: .*/server.key cannot be read: No such file",
        ),
    ],
)
def test_a_file_that_cannot_be_used_at_the_start(
    prepare: Callable[[Path], object], sentence: str, web_file: WebFileWriter
) -> None:
    path = web_file()
    prepare(path)
    with pytest.raises(WebConfigError, match=sentence):
        load_web_config(str(path))


def test_without_pyyaml_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "web.yml").write_text("")
    with pytest.raises(WebConfigError, match="install python3-pyyaml"):
        load_web_config(str(tmp_path / "web.yml"))


def test_names_are_relative_to_the_file(
    web_file: WebFileWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = web_file()
    monkeypatch.chdir(path.parent.parent)
    config = WebConfig(os.path.relpath(path))
    assert config.current().tls is not None
