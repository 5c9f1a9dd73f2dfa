"""The HTTP endpoint a scraper asks: a few threads that share the sockets of all clients.

The threads wait together in epoll, each takes the event of one client at a time, and goes on with
it as far as it can without waiting. So a client that is slow, or idle between two scrapes, costs a
descriptor and holds no thread; and no request is handed from one thread to another.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from .connection import OVER, READ, Connection
from .routes import Site
from .web.config import PASSWORD_THREADS, WebConfig

WORKERS = 2  # a page that is long in the making does not keep others from being answered
MAX_CLIENTS = 64  # connections kept; for one more, that which waited longest is let go
MAX_UNSENT = 8  # answers kept in memory for clients that are slow to take them; likewise
_BACKLOG = 32
_REST_SECONDS = 0.1  # before another client is taken where descriptors have run out
_JOIN_SECONDS = 5.0
_ONCE = select.EPOLLONESHOT  # an event wakes one thread, and the next one waits for our word

log = logging.getLogger(__name__)


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


class Endpoint:
    """Serves in threads of its own, WORKERS of them, between :meth:`start` and :meth:`stop`."""

    def __init__(
        self,
        listen: str,
        metrics: Callable[[bool], bytes],
        ready: Callable[[], bool],
        web: WebConfig | None = None,
        path: str = "/metrics",
    ) -> None:
        """Listen on ``host:port`` (port 0: any); OSError where the address cannot be had.

        ``metrics(openmetrics)`` makes the page at ``path``, in the text format 0.0.4 or in
        OpenMetrics 1.0.0; ValueError where ``path`` is no path or another page's.
        """
        self._site = Site(metrics, ready, path, web)
        self._listener = _listen(parse_address(listen))
        self._epoll = select.epoll()
        self._epoll.register(self._listener, READ | _ONCE)
        self._stopped, self._stop = os.pipe()  # closing the one wakes all who wait for the other
        self._epoll.register(self._stopped, READ)
        self._stopping = False
        self._lock = threading.Lock()
        self._waiting: dict[int, Connection] = {}  # by descriptor; the longest wait comes first
        self._look_at = float("inf")  # when a deadline may have passed, monotonic seconds
        # Those that check passwords leave the others to who needs no check.
        count = WORKERS + (0 if web is None else PASSWORD_THREADS)
        self._threads = [
            threading.Thread(target=self._work, name=f"http-{number}", daemon=True)
            for number in range(count)
        ]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Serve until :meth:`stop`."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop serving and close all sockets; call it once."""
        self._stopping = True
        os.close(self._stop)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_JOIN_SECONDS)
        for connection in self._waiting.values():
            connection.close()
        self._waiting.clear()
        self._listener.close()
        self._epoll.close()
        os.close(self._stopped)

    def _work(self) -> None:
        listener = self._listener.fileno()
        while not self._stopping:
            try:
                for descriptor, _ in self._epoll.poll(self._patience(), 1):
                    if descriptor == listener:
                        self._accept()
                    else:
                        self._serve(descriptor)
                if time.monotonic() >= self._look_at:
                    self._give_up_the_late()
            except Exception:  # the boundary of the thread: the next client must be served
                log.exception("a client could not be served")

    def _patience(self) -> float | None:
        """Seconds until a deadline may pass; None: there is none."""
        if not self._waiting:
            return None
        return max(self._look_at - time.monotonic(), 0.0)

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                with self._lock:
                    self._let_go(next(iter(self._waiting.values()), None))
                time.sleep(_REST_SECONDS)
            return  # else the client is gone again
        finally:
            self._epoll.modify(self._listener, READ | _ONCE)
        channel.setblocking(False)
        secure = self._site.settings.tls
        connection = (secure or Connection)(channel, self._site)
        self._wait(connection, READ, self._epoll.register)

    def _serve(self, descriptor: int) -> None:
        with self._lock:
            connection = self._waiting.pop(descriptor, None)
        if connection is None:  # let go after the event was fetched
            return
        event = OVER
        try:
            event = connection.advance()
        finally:
            if event == OVER:
                connection.close()
        if event != OVER:
            self._wait(connection, event, self._epoll.modify)

    def _wait(
        self, connection: Connection, event: int, arm: Callable[[socket.socket, int], None]
    ) -> None:
        """Have a thread go on with ``connection`` after ``event``; make room for it."""
        with self._lock:
            if len(self._waiting) >= MAX_CLIENTS:
                self._let_go(next(iter(self._waiting.values())))
            if connection.unsent:
                unsent = [other for other in self._waiting.values() if other.unsent]
                self._let_go(unsent[0] if len(unsent) >= MAX_UNSENT else None)
            self._waiting[connection.channel.fileno()] = connection
            self._look_at = min(self._look_at, connection.deadline)
            arm(connection.channel, event | _ONCE)

    def _let_go(self, connection: Connection | None) -> None:
        """Close a connection that waits; the lock is held."""
        if connection is not None:
            del self._waiting[connection.channel.fileno()]
            connection.close()

    def _give_up_the_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            for connection in [c for c in self._waiting.values() if c.deadline <= now]:
                self._let_go(connection)
            deadlines = [connection.deadline for connection in self._waiting.values()]
            self._look_at = min(deadlines, default=float("inf"))


def _listen(address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: the end of an answer is not held back for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
