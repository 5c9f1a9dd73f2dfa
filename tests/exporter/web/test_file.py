from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.exporter.web.errors import WebConfigError
from jobmend.exporter.web.file import HEADERS, TlsFile, WebFile, parse
from tests.exporter.serving import HASH, Certificates

pytest.importorskip("yaml")
EXAMPLE = Path(__file__).parents[3] / "etc" / "web.yml.example"
TLS = "tls_server_config: {cert_file: a.pem, key_file: a.key, "


def whole_example() -> str:
    """The example with every setting in force."""
    setting = r"^( *)#(?=(?:  |    )?[A-Za-z_-]+:|  - )"
    text = re.sub(setting, r"\1", EXAMPLE.read_text(), flags=re.M)
    return text.replace("$2y$10$...", HASH)


def test_the_example_with_every_setting() -> None:
    file = parse(whole_example().encode())
    assert file.tls == TlsFile(
        cert_file="server.pem",
        key_file="server.key",
        client_auth_type="RequireAndVerifyClientCert",
        client_ca_file="ca.pem",
        client_allowed_sans=("prometheus.example.org",),
        cipher_suites=(
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        curve_preferences=("CurveP256",),
    )
    assert file.headers["X-Frame-Options"] == "deny"
    assert file.users == {"prometheus": HASH}


def test_the_example_as_it_is() -> None:
    assert parse(EXAMPLE.read_bytes()) == WebFile(TlsFile("server.pem", "server.key"))


def test_promtool_agrees_about_the_example(certificates: Certificates) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    # Names of clients are a newer key than some promtools know.
    text = re.sub(r"^  client_allowed_sans:\n    - .*\n", "", whole_example() + "\n", flags=re.M)
    path = certificates.folder / "web.yml"
    for content in (EXAMPLE.read_text(), text):
        path.write_text(content)
        done = subprocess.run(
            [promtool, "check", "web-config", str(path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n"]
)
def test_an_empty_file_asks_for_nothing(text: str) -> None:
    assert parse(text.encode()) == WebFile()


def test_empty_values_are_none() -> None:
    file = parse(TLS.encode() + b"client_ca_file: '', min_version: '', client_auth_type: ''}")
    assert file.tls == TlsFile("a.pem", "a.key")
    assert file.tls.files == ("a.pem", "a.key")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a", "the file: names and values are wanted here"),
        ("tls_server_config: yes", "tls_server_config: names and values"),
        ("tls_config: {}", "tls_config: no such key; known here: tls_server_config, "),
        ("rate_limit: {burst: 2}", "rate_limit: not supported; rates are not limited"),
        (TLS + "key: x}", "tls_server_config: key: not supported; name a file by key_file"),
        (TLS + "cert: x}", "cert: not supported; name a file by cert_file"),
        (TLS + "client_ca: x}", "client_ca: not supported; name a file by client_ca_file"),
        (TLS + "ciphers: x}", "tls_server_config: ciphers: no such key"),
        (TLS + "min_version: [TLS12]}", "min_version: text is wanted"),
        (TLS + "cipher_suites: A}", "cipher_suites: text is wanted here, and a list where"),
        (TLS + "cipher_suites: [{}]}", "cipher_suites: text is wanted"),
        (TLS + "prefer_server_cipher_suites: 1}", "write true or false"),
        ("tls_server_config: {cert_file: a}", "key_file: missing"),
        ("tls_server_config: {min_version: TLS13}", "cert_file: missing"),
        ("http_server_config: {http2: true}", "http2: HTTP/1.1 alone is spoken"),
        ("http_server_config: {headers: {Server: x}}", "headers: Server: no such key"),
        ("http_server_config: {headers: {X-Frame-Options: no}}", "deny or sameorigin"),
        ("http_server_config: {headers: {X-XSS-Protection: [1]}}", "text is wanted"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb: c"}}', "one line"),
        ("http_server_config: {headers: {X-XSS-Protection: é}}", "one line of plain ASCII"),
        ("basic_auth_users: {a: secret}", "basic_auth_users: a: no bcrypt hash"),
        ("basic_auth_users: {a: }", "no bcrypt hash"),
        (f"basic_auth_users: {{a: {HASH.replace('$04', '$03')}}}", "no bcrypt hash"),
        (f"basic_auth_users: {{a: '{HASH}\n\n'}}", "no bcrypt hash"),
        (f"basic_auth_users: {{'a:b': {HASH}}}", "holds no colon"),
        (f"basic_auth_users: {{'': {HASH}}}", "is not empty"),
        (f"basic_auth_users: {{a: {HASH},\n a: {HASH}}}", "line 2: a stands there twice"),
        ("basic_auth_users: {[a]: b}", "line 1: a name is one word"),
        ("basic_auth_users: &a {b: *a}", "recursive"),
        ("a: b: c", "line 1: not YAML: mapping values are not allowed here"),
        ("a: !!python/object/apply:os.abort []", "a: no such key"),
        ("a: \x00", "it is not YAML"),
        ("a: *b", "undefined alias"),
        ("\n\n\x1b[31m: b", "it is not YAML"),
    ],
)
def test_what_is_refused_is_named(text: str, sentence: str) -> None:
    with pytest.raises(WebConfigError, match=re.escape(sentence)) as refused:
        parse(text.encode())
    assert str(refused.value).isprintable()


def test_what_is_no_utf8() -> None:
    with pytest.raises(WebConfigError, match="it is not UTF-8"):
        parse(b"\xff")


def test_no_hash_is_told() -> None:
    for text in (f"basic_auth_users: {{a: {HASH}x}}", f"basic_auth_users:\n  a: b: {HASH}"):
        with pytest.raises(WebConfigError) as refused:
            parse(text.encode())
        assert HASH[7:] not in str(refused.value)


def test_values_are_text_as_they_stand_there() -> None:
    text = "http_server_config: {http2: false, headers: {X-XSS-Protection: 0}}\n"
    file = parse((text + f"basic_auth_users: {{007: {HASH}, no: {HASH}}}").encode())
    assert file.headers == {"X-XSS-Protection": "0"}
    assert file.users == {"007": HASH, "no": HASH}


def test_every_header_may_be_left_empty() -> None:
    table = "".join(f"    {name}:\n" for name in HEADERS)
    file = parse(f"http_server_config:\n  headers:\n{table}".encode())
    assert file.headers == dict.fromkeys(HEADERS, "")


@given(st.one_of(st.binary(max_size=100), st.text("{}[]:-&*!|>'\"\n a", max_size=60)))
def test_whatever_stands_there_is_read_or_refused(text: str | bytes) -> None:
    try:
        file = parse(text if isinstance(text, bytes) else text.encode())
    except WebConfigError as refused:
        assert str(refused)
    else:
        assert file == WebFile()
