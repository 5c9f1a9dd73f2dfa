from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from jobmend.exporter import connection
from jobmend.exporter.endpoint import MAX_CLIENTS, WORKERS
from jobmend.exporter.web.config import WebConfig
from jobmend.exporter.web.errors import WebConfigError
from tests.exporter.serving import (
    PAGE,
    Certificates,
    Source,
    connected,
    get,
    let_go,
    read_answer,
    serving,
)

pytest.importorskip("yaml")
WebFileWriter = Callable[..., Path]
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: n1\r\n\r\n"
VERIFIED = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
TLS12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
TLS13 = {"minimum_version": ssl.TLSVersion.TLSv1_3}


def test_pages_over_tls(
    web_file: WebFileWriter, certificates: Certificates, source: Source
) -> None:
    source.page = os.urandom(3 << 20)  # many records, more than the kernel takes at once
    with serving(source, WebConfig(web_file())) as endpoint:
        for versions in (TLS12, TLS13):
            client = certificates.client(versions=versions)
            assert get(endpoint.port, tls=client).body == source.page
            assert get(endpoint.port, "/-/healthy", "HEAD", tls=client).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            get(endpoint.port, tls=ssl.create_default_context())


def test_a_connection_is_kept_and_requests_sent_together_are_answered(
    web_file: WebFileWriter, certificates: Certificates, source: Source
) -> None:
    with (
        serving(source, WebConfig(web_file())) as endpoint,
        connected(endpoint.port) as channel,
        certificates.client().wrap_socket(channel, server_hostname="localhost") as client,
    ):
        for _ in range(2):
            client.sendall(SCRAPE)
            assert read_answer(client).body == PAGE
        # Two records in one packet, the first of them with two requests: what OpenSSL has read
        # already is no event of the socket any more.
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n" + SCRAPE[:20])
        client.sendall(SCRAPE[20:] + b"GET /-/healthy HTTP/1.1\r\nConnection: close\r\n\r\n")
        with client.makefile("rb") as stream:
            got = stream.read()
    assert got.count(b"HTTP/1.1 404 ") == 2
    assert PAGE in got
    assert got.endswith(b"healthy\n")


def test_plain_http_is_told_what_to_speak(web_file: WebFileWriter, source: Source) -> None:
    with serving(source, WebConfig(web_file())) as endpoint:
        answer = get(endpoint.port)
        assert (answer.status, answer.body) == (400, b"TLS is spoken here: https\n")
    assert source.asked == []


def test_slow_handshakes_hold_no_thread_and_are_let_go(
    web_file: WebFileWriter,
    certificates: Certificates,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 1.0)
    with contextlib.ExitStack() as stack:
        endpoint = stack.enter_context(serving(source, WebConfig(web_file())))
        slow = [stack.enter_context(connected(endpoint.port)) for _ in range(WORKERS * 6)]
        for client in slow[: WORKERS * 4]:
            client.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
        assert get(endpoint.port, tls=certificates.client()).body == PAGE
        assert all(map(let_go, slow))
    assert len(slow) < MAX_CLIENTS


@pytest.mark.parametrize("noise", [b"\x16" * 1000, b"\x16\x03\x01\xff\xff" + bytes(100)])
def test_noise_in_place_of_a_handshake(
    noise: bytes, web_file: WebFileWriter, certificates: Certificates, source: Source
) -> None:
    with serving(source, WebConfig(web_file())) as endpoint:
        with connected(endpoint.port) as client, contextlib.suppress(ConnectionError):
            client.sendall(noise)
            while client.recv(100):
                pass
        assert get(endpoint.port, tls=certificates.client()).status == 200


def admitted(port: int, client: ssl.SSLContext) -> bool:
    """TLS 1.3 tells a client only after its request that its certificate was not taken."""
    try:
        return get(port, tls=client).body == PAGE
    except (OSError, EOFError):
        return False


@pytest.mark.parametrize("versions", [TLS12, TLS13], ids=["1.2", "1.3"])
@pytest.mark.parametrize(
    ("settings", "nobody", "client", "stranger"),
    [
        ("client_auth_type: NoClientCert", True, True, True),
        ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem", True, True, False),
        (VERIFIED, False, True, False),
        (VERIFIED + ", client_allowed_sans: [scraper.example]", False, True, False),
        (VERIFIED + ", client_allowed_sans: [other, '0:0::1']", False, True, False),
        (VERIFIED + ", client_allowed_sans: [client]", False, False, False),
    ],
)
def test_clients_show_certificates(
    settings: str,
    nobody: bool,
    client: bool,
    stranger: bool,
    versions: dict[str, ssl.TLSVersion],
    web_file: WebFileWriter,
    certificates: Certificates,
    source: Source,
) -> None:
    with serving(source, WebConfig(web_file(more=settings))) as endpoint:
        for name, wanted in (("", nobody), ("client", client), ("stranger", stranger)):
            assert admitted(endpoint.port, certificates.client(name, versions)) is wanted


def agreed(port: int, client: ssl.SSLContext) -> tuple[str | None, str]:
    with (
        connected(port) as channel,
        client.wrap_socket(channel, server_hostname="localhost") as tls,
    ):
        cipher = tls.cipher()
        assert cipher is not None
        return tls.version(), cipher[0]


def test_versions(web_file: WebFileWriter, certificates: Certificates, source: Source) -> None:
    with serving(source, WebConfig(web_file(more="min_version: TLS13"))) as endpoint:
        assert agreed(endpoint.port, certificates.client())[0] == "TLSv1.3"
        with pytest.raises(OSError):
            agreed(endpoint.port, certificates.client(versions=TLS12))
    with serving(source, WebConfig(web_file(more="max_version: TLS12"))) as endpoint:
        assert agreed(endpoint.port, certificates.client())[0] == "TLSv1.2"


def test_cipher_suites_and_who_prefers(
    web_file: WebFileWriter, certificates: Certificates, source: Source
) -> None:
    first, second = "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384"
    suites = (
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
    )
    client = certificates.client(versions=TLS12)
    client.set_ciphers(f"{second}:{first}")
    with serving(source, WebConfig(web_file(more=suites))) as endpoint:
        assert agreed(endpoint.port, client)[1] == first
        other = certificates.client(versions=TLS12)
        other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with pytest.raises(OSError):
            agreed(endpoint.port, other)
    path = web_file(more=suites + ", prefer_server_cipher_suites: false")
    with serving(source, WebConfig(path)) as endpoint:
        assert agreed(endpoint.port, client)[1] == second


def test_a_curve(web_file: WebFileWriter, certificates: Certificates, source: Source) -> None:
    path = web_file(more="curve_preferences: [CurveP384]")
    with serving(source, WebConfig(path)) as endpoint:
        client = certificates.client()
        client.set_ecdh_curve("secp384r1")
        assert agreed(endpoint.port, client)
        client.set_ecdh_curve("prime256v1")
        with pytest.raises(OSError):
            agreed(endpoint.port, client)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("min_version: TLS11", "min_version: 'TLS11' is not offered here; write TLS12 or TLS13"),
        ("max_version: SSL3", "max_version: 'SSL3' is not offered"),
        ("min_version: TLS13, max_version: TLS12", "is above max_version"),
        ("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "'TLS_RSA_WITH_RC4_128_SHA' is unknown or"),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "name all of them or none"),
        (
            "cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, "
            "TLS_CHACHA20_POLY1305_SHA256]",
            "none is for TLS 1.2",
        ),
        ("curve_preferences: [CurveP256, CurveP384]", "one curve can be set here"),
        ("curve_preferences: [P-256]", "'P-256' is unknown"),
        ("client_auth_type: RequestClientCert", "'RequestClientCert' is not supported"),
        ("client_auth_type: RequireAnyClientCert", "'RequireAnyClientCert' is not supported"),
        ("client_auth_type: RequireAndVerifyClientCert", "client_ca_file: .* name one"),
        ("client_ca_file: ca.pem", "set client_auth_type: RequireAndVerifyClientCert"),
        (VERIFIED.replace("ca.pem", "server.key"), "server.key is no PEM certificate"),
        (VERIFIED.replace("ca.pem", "none.pem"), "client_ca_file: .*none.pem cannot be read"),
        ("client_allowed_sans: [a]", "client_allowed_sans: set client_auth_type"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    settings: str, sentence: str, web_file: WebFileWriter
) -> None:
    with pytest.raises(WebConfigError, match=sentence):
        WebConfig(web_file(more=settings))


def test_an_encrypted_key_is_refused_and_nobody_is_asked(
    web_file: WebFileWriter, certificates: Certificates
) -> None:
    path = web_file()
    key = certificates.folder / "server.key"
    certificates._openssl("ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", key)
    with pytest.raises(WebConfigError, match="unencrypted key"):
        WebConfig(path)
