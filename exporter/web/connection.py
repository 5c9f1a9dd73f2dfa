"""A connection that speaks TLS; its handshake waits like all else: for events, with a deadline."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from ..connection import READ, WRITE, Connection, Wait
from ..routes import Site

_HANDSHAKE = b"\x16"  # the first byte of a TLS connection
_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 26\r\nConnection: close\r\n\r\nTLS is spoken here: https\n"
)

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class TlsConnection(Connection):
    """A client that shakes hands, and may have to show a certificate, before it is served."""

    def __init__(
        self, channel: socket.socket, site: Site, context: ssl.SSLContext, sans: frozenset[str]
    ) -> None:
        """Serve ``channel``; the client's certificate names one of ``sans``, if there are any."""
        super().__init__(channel, site)
        self._context = context
        self._sans = sans
        self._tls: ssl.SSLSocket | None = None
        self._ready = False

    def _prepare(self) -> None:
        if self._ready:
            return
        if self._tls is None:
            first = self.channel.recv(1, socket.MSG_PEEK)
            if first != _HANDSHAKE:
                if first:
                    self._last = True
                    self.channel.send(_PLAIN_HTTP)
                raise ConnectionError("no TLS")
            self.channel = self._tls = self._context.wrap_socket(
                self.channel, server_side=True, do_handshake_on_connect=False
            )
        try:
            _without_waiting(self._tls.do_handshake)
            if self._sans and not self._sans & _names(self._tls):
                raise ConnectionError("the client's certificate has none of the names allowed")
        except OSError as error:
            log.debug("a client was not taken: %s", error)
            raise
        self._ready = True

    def _receive(self, size: int) -> bytes:
        if self._tls is None:
            return super()._receive(size)
        return _without_waiting(self._tls.recv, size)

    def _send(self, pieces: list[bytes | memoryview]) -> int:
        assert self._tls is not None
        if len(pieces) > 1:
            pieces[:] = [b"".join(pieces)]
        return _without_waiting(self._tls.send, pieces[0])

    def _pending(self) -> bool:
        return self._tls is not None and self._tls.pending() > 0

    def close(self) -> None:
        """Say goodbye, where that is possible without waiting, and let the client go."""
        if self._tls is not None:
            with contextlib.suppress(OSError, ValueError):
                self._tls.unwrap()
        super().close()


def _without_waiting(call: Callable[..., _T], *arguments: Any) -> _T:
    """``call`` on a socket; Wait where it would have to wait."""
    try:
        return call(*arguments)
    except ssl.SSLWantReadError:
        raise Wait(READ) from None
    except ssl.SSLWantWriteError:
        raise Wait(WRITE) from None


def _names(channel: ssl.SSLSocket) -> set[str]:
    """The alternative names in the client's certificate."""
    certificate = channel.getpeercert() or {}
    pairs: Any = certificate.get("subjectAltName", ())
    return {plain_name(name) for _, name in pairs}


def plain_name(name: str) -> str:
    """``name`` as it is compared: an IPv6 address in its shortest form."""
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, name))
    except (OSError, ValueError):
        return name
