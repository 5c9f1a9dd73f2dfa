"""Leaving the terminal behind."""

from __future__ import annotations

import os
from pathlib import Path


def become_daemon(log: Path) -> bool:
    """Go on in a child with a session of its own; False in the process that was called.

    The child reads nothing and writes nothing but its errors, appended to ``log``.
    """
    if os.fork():
        return False
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (null, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(errors)
    return True
