"""The HTTP endpoint a scraper asks: /metrics, /-/healthy, /-/ready and a page that names them.

The request head is read here rather than by http.server, which would cost the agent 4 MB of
memory. GET and HEAD without a body are all a scraper sends; each answer closes the connection.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from .page import CONTENT_TYPE

MAX_HEAD = 16 * 1024  # bytes of a request's head
MAX_THREADS = 8  # requests answered at a time
TIMEOUT_SECONDS = 10.0  # for a client to send its request, and again to take the answer
_TEXT = "text/plain; charset=utf-8"

_LANDING = b"""<!DOCTYPE html>
<html lang="en"><head><title>jobmend</title></head><body><h1>jobmend</h1><ul>
<li><a href="/metrics">/metrics</a> what is measured here</li>
<li><a href="/-/healthy">/-/healthy</a> the process answers</li>
<li><a href="/-/ready">/-/ready</a> it measures</li>
</ul></body></html>
"""

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What goes back to the client."""

    status: HTTPStatus
    content_type: str
    body: bytes


def parse_address(listen: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` as a pair; ValueError where it is neither."""
    host, separator, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    # ASCII digits alone: int() would also take "1_0" and digits of other scripts.
    if not (separator and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{listen!r} is no host:port")
    if ":" in bare and bare == host:
        raise ValueError(f"{listen!r} is no host:port; an IPv6 address stands in brackets")
    return bare, int(port)


def answer_request(head: bytes, metrics: Callable[[], bytes], ready: Callable[[], bool]) -> Answer:
    """The answer to a request whose first lines are ``head``."""
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return Answer(HTTPStatus.BAD_REQUEST, _TEXT, b"this is no HTTP request\n")
    method, path = words[0], words[1].split(b"?", 1)[0]
    if method not in (b"GET", b"HEAD"):
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"GET and HEAD are answered here\n")
    if path == b"/metrics":
        return Answer(HTTPStatus.OK, CONTENT_TYPE, metrics())
    if path == b"/-/healthy":
        return Answer(HTTPStatus.OK, _TEXT, b"healthy\n")
    if path == b"/-/ready":
        if ready():
            return Answer(HTTPStatus.OK, _TEXT, b"ready\n")
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"no sample was taken lately\n")
    if path == b"/":
        return Answer(HTTPStatus.OK, "text/html; charset=utf-8", _LANDING)
    return Answer(HTTPStatus.NOT_FOUND, _TEXT, b"not found; / lists what is here\n")


class _Handler(socketserver.BaseRequestHandler):
    server: Endpoint

    def handle(self) -> None:
        try:
            head = _read_head(self.request)
            if not head:
                return
            _send(self.request, self._answer(head), with_body=not head.startswith(b"HEAD "))
        except OSError:
            pass  # the client went away or was too slow; a scraper counts that itself

    def _answer(self, head: bytes) -> Answer:
        try:
            return answer_request(head, self.server.metrics, self.server.ready)
        except Exception:  # the boundary of one request: a page that fails must not end the agent
            log.exception("a request could not be answered")
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"see the agent's log\n")


def _read_head(channel: socket.socket) -> bytes:
    """The request up to its empty line; what came so far when it is too long; OSError if slow."""
    head = b""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
        channel.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = channel.recv(4096)
        if not piece:
            return b""
        head += piece
    return head


def _send(channel: socket.socket, answer: Answer, *, with_body: bool) -> None:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        "Connection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    channel.settimeout(TIMEOUT_SECONDS)
    channel.sendall(head.encode() + (answer.body if with_body else b""))


class Endpoint(socketserver.ThreadingTCPServer):
    """Serves in threads of its own, at most MAX_THREADS at a time; more clients are turned away."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32

    def __init__(
        self, listen: str, metrics: Callable[[], bytes], ready: Callable[[], bool]
    ) -> None:
        """Listen on ``host:port`` (port 0: any); OSError where the address cannot be had."""
        address = parse_address(listen)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.metrics = metrics
        self.ready = ready
        self._slots = threading.BoundedSemaphore(MAX_THREADS)
        self._thread = threading.Thread(target=self.serve_forever, name="http", daemon=True)
        super().__init__(address, _Handler)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the socket; may be called only after :meth:`start`."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def process_request(self, request: object, client_address: object) -> None:
        """Give the request a thread, or turn it away when all are taken."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[arg-type]
            return
        try:
            super().process_request(request, client_address)  # type: ignore[arg-type]
        except RuntimeError:  # no thread could be started
            self._slots.release()
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer in the request's own thread."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong with one client."""
        log.exception("a client could not be served")
