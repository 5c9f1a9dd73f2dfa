"""The first program of a job: it waits until it was put in its place, then becomes the job.

The supervisor starts this file by its path, so it imports only the standard library. Both speak
over one socket: ``r`` (ready) goes up, ``g`` (go) comes down, and an error message goes up when
the job cannot be started; the socket closes by itself when it can.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

READY = b"r"
GO = b"g"
MAX_MESSAGE = 512  # bytes


def die_with_parent(number: int) -> None:
    """Ask the kernel for a signal to this process when its parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(arguments: Sequence[str]) -> int:
    """``launch.py SOCKET DIRECTORY COMMAND…``; returns only when the job cannot be started."""
    channel, directory, command = int(arguments[0]), arguments[1], list(arguments[2:])
    os.set_inheritable(channel, False)
    die_with_parent(signal.SIGKILL)
    os.write(channel, READY)
    if os.read(channel, 1) != GO:
        return 1
    try:
        os.chdir(directory)
        # Python ignores these two; a job shall not.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvp(command[0], command)
    except OSError as error:
        words = f"{error.strerror}: {error.filename or command[0]}"
        os.write(channel, words.encode(errors="replace")[:MAX_MESSAGE])
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
