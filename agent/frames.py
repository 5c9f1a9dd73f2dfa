"""What daemon and scorer say to each other: frames of a JSON header and of numbers, both bounded.

A frame is two lengths (big-endian, four bytes each), a JSON object and a payload of float32 in the
machine's own order: both ends are one machine.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Union

MAX_HEADER_BYTES = 1024 * 1024
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
_LENGTHS = struct.Struct(">II")
_LOOK_SECONDS = 0.5  # how often a waiting side looks whether to give up
_CHUNK = 1 << 16

Payload = Union[bytes, memoryview]


class FrameError(Exception):
    """The other side closed, took too long, or sent what is no frame."""


class TooLargeError(FrameError):
    """A frame that may not be sent; nothing of it was."""


class Frame(NamedTuple):
    """One message: a JSON object and the numbers it speaks of."""

    header: dict[str, Any]
    payload: bytes


def send(
    connection: socket.socket,
    header: dict[str, Any],
    payload: Payload = b"",
    *,
    until: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Send a frame before the monotonic time ``until``; FrameError where that cannot be."""
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise TooLargeError(f"{len(text)} and {len(payload)} bytes are too much for one frame")
    whole = memoryview(b"".join((_LENGTHS.pack(len(text), len(payload)), text, payload)))
    while whole:
        _wait(connection, until, stop, writing=True)
        try:
            whole = whole[connection.send(whole, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            continue
        except OSError as error:
            raise FrameError(f"it cannot be written to: {error.strerror}") from error


def receive(
    connection: socket.socket,
    *,
    until: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Frame:
    """The next frame, if it comes before the monotonic time ``until``; FrameError otherwise."""
    sizes = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size, until, stop))
    if sizes[0] > MAX_HEADER_BYTES or sizes[1] > MAX_PAYLOAD_BYTES:
        raise FrameError(f"it announces {sizes[0]} and {sizes[1]} bytes: no frame")
    text = _exactly(connection, sizes[0], until, stop)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"its header is no JSON ({type(error).__name__})") from error
    if not isinstance(header, dict):
        raise FrameError("its header is no JSON object")
    return Frame(header, _exactly(connection, sizes[1], until, stop))


def _exactly(
    connection: socket.socket, size: int, until: float | None, stop: Callable[[], bool]
) -> bytes:
    parts: list[bytes] = []
    while size:
        _wait(connection, until, stop, writing=False)
        try:
            part = connection.recv(min(size, _CHUNK), socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        except OSError as error:
            raise FrameError(f"it cannot be read: {error.strerror}") from error
        if not part:
            raise FrameError("it closed the connection")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _wait(
    connection: socket.socket, until: float | None, stop: Callable[[], bool], *, writing: bool
) -> None:
    """Until something can be read or written; FrameError where it is too late."""
    waiting = select.poll()  # select() knows no descriptor above 1023
    waiting.register(connection, select.POLLOUT if writing else select.POLLIN)
    while True:
        left = _LOOK_SECONDS if until is None else until - time.monotonic()
        if left <= 0 or stop():
            raise FrameError("it did not answer in time")
        if waiting.poll(1000 * min(left, _LOOK_SECONDS)):
            return
