"""The scorer as a child process: started, asked with a deadline, ended where it does not answer.

One question is open at a time. A child that dies, hangs or talks nonsense is ended; the next is
started after a pause that doubles each time, so that a broken one costs the node next to nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import frames

LONGEST_PAUSE_SECONDS = 300.0
START_SECONDS = 120.0  # NumPy is read from disk, at the lowest priority
_PACKAGE = Path(__file__).resolve().parents[1]
# Isolated (-I), as the installed programs are: sys.path gets the one place that may be missing.
_PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[1:]; "
    "from jobmend.agent.scorer.__main__ import main; sys.exit(main())"
)

log = logging.getLogger(__name__)


class ScorerError(Exception):
    """The scorer gave no answer; it was ended."""


class Refusal(Exception):
    """What was asked cannot be done; the scorer goes on."""


def command() -> list[str]:
    """The command line of the scorer's program, in this interpreter."""
    place = [str(_PACKAGE.parent)] if _PACKAGE.name == "jobmend" else []
    return [sys.executable, "-IB", "-c", _PROGRAM, *place]


class Child:
    """One scorer at a time. Only one thread may use it."""

    def __init__(self, argv: Sequence[str] | None = None) -> None:
        """Start nothing yet; ``argv`` in place of :func:`command`."""
        self._argv = list(argv or command())
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._failures = 0
        self._started = False  # ever
        self._not_before = 0.0
        self.restarts = 0
        self.pid = 0  # 0 while there is none

    def is_due(self, now: float) -> bool:
        """Is there a child, or may one be started at the monotonic time ``now``?"""
        return self._process is not None or now >= self._not_before

    @property
    def runs(self) -> bool:
        """Is there a child that has answered all that was asked?"""
        return self._process is not None

    def start(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Start one where there is none; True if it is new. ScorerError where that fails."""
        if self._process is not None:
            return False
        self.restarts += self._started
        self._started = True
        ours, its = socket.socketpair()
        try:
            with its:
                self._process = subprocess.Popen(
                    self._argv,
                    stdin=its.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env={"PATH": "/usr/bin:/bin"},
                )
        except OSError as error:
            ours.close()
            self.put_off()
            raise ScorerError(f"{self._argv[0]}: cannot be started: {error.strerror}") from error
        self._connection, self.pid = ours, self._process.pid
        told = self._answer(time.monotonic() + START_SECONDS, stop)
        if told.get("refused"):
            log.info("the scorer runs without %s", ", ".join(map(str, told["refused"])))
        return True

    def ask(
        self,
        question: dict[str, Any],
        payload: frames.Payload = b"",
        *,
        seconds: float,
        stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """The answer within ``seconds``; Refusal as it words it, ScorerError where none comes."""
        if self._connection is None:
            raise ScorerError("no scorer runs")
        until = time.monotonic() + seconds
        try:
            frames.send(self._connection, question, payload, until=until, stop=stop)
        except frames.TooLargeError as error:
            raise Refusal(str(error)) from error
        except frames.FrameError as error:
            raise self._ended(error) from error
        answer = self._answer(until, stop)
        self._failures = 0
        if "error" in answer:
            raise Refusal(str(answer["error"]))
        return answer

    def _answer(self, until: float, stop: Callable[[], bool]) -> dict[str, Any]:
        assert self._connection is not None
        try:
            return frames.receive(self._connection, until=until, stop=stop).header
        except frames.FrameError as error:
            raise self._ended(error) from error

    def _ended(self, error: frames.FrameError) -> ScorerError:
        """End the child that failed, and put the next one's start off."""
        process = self._process
        status = None if process is None else process.poll()
        self.end()
        self.put_off()
        how = "" if status is None else f"; it ended with status {status}"
        return ScorerError(f"{error}{how}")

    def put_off(self) -> None:
        """Start the next one later: after a pause that doubles with each failure in a row."""
        self._failures += 1
        pause = min(2.0 ** min(self._failures, 16), LONGEST_PAUSE_SECONDS)
        self._not_before = time.monotonic() + pause

    def end(self) -> None:
        """End the child, if there is one; what it does then is of no interest."""
        process, self._process = self._process, None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.pid = 0
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process; None where there is none."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
