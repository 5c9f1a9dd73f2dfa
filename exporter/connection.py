"""One client's connection: reads requests and sends answers as far as it can without waiting."""

from __future__ import annotations

import contextlib
import select
import socket
import time

from .request import END, MAX_HEAD, BadRequest, parse_head
from .routes import Answer, Site, plain

TIMEOUT_SECONDS = 10.0  # for a client to send its request, and again to take the answer
# Prometheus drops a connection that was idle for 5 minutes: it should be the one to end it, not we.
IDLE_SECONDS = 330.0
READ, WRITE, OVER = select.EPOLLIN, select.EPOLLOUT, 0
# RFC 9110, section 15; the library's table (http.HTTPStatus) takes a quarter of a megabyte.
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_PIECE = 4096  # bytes read at a time
_UNREAD_PIECES = 16  # read and dropped at the end


class Wait(Exception):
    """A connection cannot go on before ``event``."""

    def __init__(self, event: int) -> None:
        """Wait for ``event``, READ or WRITE."""
        super().__init__(event)
        self.event = event


class Connection:
    """A client, seen from one of its events to the next.

    ``deadline`` (monotonic seconds) is when to give it up.
    """

    def __init__(self, channel: socket.socket, site: Site) -> None:
        """Serve ``channel``, which does not block and is closed with this."""
        self.channel = channel
        self.deadline = time.monotonic() + TIMEOUT_SECONDS
        self._site = site
        self._head = b""  # what came of the next request
        self._out: list[bytes | memoryview] = []  # what was not sent of the answer
        self._last = False  # no request is read after this answer

    @property
    def unsent(self) -> bool:
        """Is there an answer that the client has not taken yet?"""
        return bool(self._out)

    def advance(self) -> int:
        """Go on after an event, and say which to wait for now: READ, WRITE, or OVER.

        One request is answered at most: a client that sends many waits for its turn.
        """
        try:
            self._prepare()
            if not self._out:
                if not self._read_head():
                    return OVER
                self._answer_next()
            return self._deliver()
        except Wait as wait:
            return wait.event
        except BlockingIOError:
            return WRITE if self._out else READ
        except OSError:  # the client went away; a scraper counts that itself
            return OVER

    def close(self) -> None:
        """Let the client go."""
        if self._last:
            # What lies unread would make the kernel take the answer back with a reset.
            with contextlib.suppress(OSError, Wait):
                for _ in range(_UNREAD_PIECES):
                    if not self._receive(_PIECE):
                        break
        self.channel.close()

    def _read_head(self) -> bool:
        """Have a whole head, or one that is too long; False when the client has ended."""
        while END not in self._head and len(self._head) < MAX_HEAD:
            piece = self._receive(_PIECE)
            if not piece:
                return False
            if not self._head:
                self.deadline = time.monotonic() + TIMEOUT_SECONDS
            self._head += piece
        return True

    def _answer_next(self) -> None:
        head, found, self._head = self._head.partition(END)
        method, keep = "GET", False
        try:
            if not found:
                raise BadRequest(431, f"the head of the request is longer than {MAX_HEAD} bytes")
            request = parse_head(head)
            method, keep = request.method, request.keep
            answer = self._site.answer(request)
        except BadRequest as bad:
            answer = plain(bad.status, str(bad))
        self._last = not keep
        self.deadline = time.monotonic() + TIMEOUT_SECONDS
        self._out = [_head(answer, self._last)]
        if method != "HEAD":
            self._out.append(answer.body)

    def _deliver(self) -> int:
        """Send what is to be sent; what to wait for when all of it is."""
        while self._out:
            sent = self._send(self._out)
            while self._out and sent >= len(self._out[0]):
                sent -= len(self._out.pop(0))
            if sent:
                self._out[0] = memoryview(self._out[0])[sent:]
        if self._last:
            return OVER
        self.deadline = time.monotonic() + (TIMEOUT_SECONDS if self._head else IDLE_SECONDS)
        # An event for writing comes at once, after those of other clients.
        return WRITE if END in self._head or self._pending() else READ

    def _prepare(self) -> None:
        """Do what precedes all requests; Wait or OSError like the other ways to the socket."""

    def _receive(self, size: int) -> bytes:
        return self.channel.recv(size)

    def _send(self, pieces: list[bytes | memoryview]) -> int:
        return self.channel.sendmsg(pieces)

    def _pending(self) -> bool:
        """Was something read from the socket that :meth:`_receive` has not told?"""
        return False


def _head(answer: Answer, last: bool) -> bytes:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    lines = [
        f"HTTP/1.1 {answer.status} {_PHRASES[answer.status]}",
        f"Date: {date}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        *(("Connection: close",) if last else ()),
    ]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")
