"""Ports of the loopback for servers that tests start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given before its server listens, or while that is down.

    A socket that is bound and does not listen holds it: one more may be bound there where both
    allow that (SO_REUSEADDR, as servers set it), but none that asks for any free port.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
