"""What tests of the endpoint share: a page to serve, certificates, and clients that speak HTTP."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jobmend.exporter.endpoint import Endpoint
from jobmend.exporter.web.config import WebConfig

PAGE = b"# TYPE demo_total counter\ndemo_total 1\n"
OPENMETRICS_PAGE = b"# TYPE demo counter\ndemo_total 2\n# EOF\n"
# A password and its hash of the lowest cost, as htpasswd spells it.
PASSWORD = "open sesame"
HASH = "$2y$04$T1Zdq3NDOvfDmRLQr7mlROYhKbZsRuosjzh90l8W7VLKfekOf6.w2"


class Source:
    """What the endpoint serves: a page, or an error, and whether it is ready."""

    def __init__(self) -> None:
        self.page = PAGE
        self.broken = False
        self.is_ready = True
        self.asked: list[bool] = []

    def metrics(self, openmetrics: bool) -> bytes:
        self.asked.append(openmetrics)
        if self.broken:
            raise RuntimeError("no page")
        return OPENMETRICS_PAGE if openmetrics else self.page

    def ready(self) -> bool:
        return self.is_ready


@contextlib.contextmanager
def serving(source: Source, web: WebConfig | None = None) -> Iterator[Endpoint]:
    """An endpoint on the loopback that is stopped in the end."""
    endpoint = Endpoint("127.0.0.1:0", source.metrics, source.ready, web)
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.stop()


class _Headers(dict[str, "str | None"]):
    """Headers as one asks for them: those that did not come are None."""

    def __missing__(self, name: str) -> None:
        return None


class Answer(NamedTuple):
    """A status, headers and a body, as a client got them."""

    status: int
    headers: Mapping[str, str | None]
    body: bytes


def get(
    port: int,
    path: str = "/metrics",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request over a connection of its own."""
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    with contextlib.closing(connection):
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, _Headers(answer.headers.items()), answer.read())


def basic(name: str, password: str) -> dict[str, str]:
    """The header of a user with a password."""
    encoded = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def connected(port: int, timeout: float = 60.0) -> socket.socket:
    """A connection on which nothing was said yet."""
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def let_go(channel: socket.socket) -> bool:
    """Did the other side close the connection? What it had not read yet makes that a reset."""
    try:
        return channel.recv(1) == b""
    except ConnectionResetError:
        return True


def read_answer(channel: socket.socket) -> Answer:
    """One answer off a connection that may stay open; status 0 where it was closed instead."""
    answer = http.client.HTTPResponse(channel)
    with contextlib.closing(answer):
        try:
            answer.begin()
        except (http.client.BadStatusLine, ConnectionError):
            return Answer(0, {}, b"")
        return Answer(answer.status, _Headers(answer.headers.items()), answer.read())


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Does it become true?"""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.01)
    return true()


@dataclass(frozen=True)
class Certificates:
    """A folder with an authority, the endpoint's certificate, and those of clients.

    ``ca.pem`` vouches for server.pem and client.pem, not for stranger.pem; keys are ``*.key``.
    """

    folder: Path

    def client(
        self, name: str = "", versions: Mapping[str, ssl.TLSVersion] | None = None
    ) -> ssl.SSLContext:
        """What a client needs that trusts ca.pem; with the certificate ``name``, if any."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if name:
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        for key, version in (versions or {}).items():
            setattr(context, key, version)
        return context

    def make(self, name: str, names: str, authority: str = "") -> None:
        """Write NAME.pem and NAME.key, valid for ``names``; signed by ``authority`` or itself."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        self._openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        extensions = self.folder / f"{name}.ext"
        is_authority = "FALSE" if authority else "TRUE"
        extensions.write_text(f"basicConstraints=CA:{is_authority}\nsubjectAltName={names}\n")
        signer: tuple[object, ...] = ("-signkey", key)
        if authority:
            signed = self.folder / authority
            signer = ("-CA", f"{signed}.pem", "-CAkey", f"{signed}.key", "-CAcreateserial")
        out = ("-days", "2", "-extfile", extensions, "-out", self.folder / f"{name}.pem")
        self._openssl("x509", "-req", "-in", request, *signer, *out)

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
