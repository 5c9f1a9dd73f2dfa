"""One turn at a time: a lock that the kernel takes back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ...jobs.text import printable

NAME = "lock"  # below <[store] models>/learning
_MAX_BYTES = 1000


class Busy(Exception):
    """Another turn runs; the message says whose and since when."""


@contextmanager
def held(path: Path, now: float) -> Iterator[None]:
    """Hold the lock at ``path``; Busy where another process holds it. OSError where no file can be.

    The lock is flock(2): it works on one machine, and the file stays where it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{path}: another turn runs{_holder(descriptor)}") from None
        _write(descriptor, {"pid": os.getpid(), "since": now})
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _write(descriptor: int, holder: dict[str, float]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    """Who holds it, in words; nothing where that cannot be read."""
    try:
        told = json.loads(os.pread(descriptor, _MAX_BYTES, 0))
        since = datetime.fromtimestamp(float(told["since"]), UTC)
        return printable(f" since {since:%Y-%m-%d %H:%M:%S} UTC (process {int(told['pid'])})", 100)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return ""
