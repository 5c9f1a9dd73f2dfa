"""Telling systemd how a service fares: sd_notify(3) and sd_watchdog_enabled(3), no library needed.

Where the service was not started by systemd, nothing is told and nothing fails.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

READY = "READY=1"
STOPPING = "STOPPING=1"
FED = "WATCHDOG=1"

_PATIENCE_SECONDS = 1.0  # systemd empties its socket at once, unless the machine hangs


def status(text: str) -> str:
    """The line that ``systemctl status`` shows; one line of it is told."""
    return "STATUS=" + text.partition("\n")[0]


def notify(*states: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send states to the service manager in one datagram; False where nobody took it."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_PATIENCE_SECONDS)
            channel.connect(address)
            channel.send("\n".join(states).encode())
        return True
    except OSError:
        return False


class Watchdog:
    """Keeps systemd's watchdog quiet for as long as there is progress to tell of."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read whether the unit has a WatchdogSec for this process."""
        self._environ = environ
        self._told = 0
        self.seconds = _interval(environ)  # between two calls of feed; None: nobody watches

    def feed(self, progress: int) -> bool:
        """Feed it if ``progress``, a counter, has grown since it was fed; True if it was fed."""
        if self.seconds is None or progress <= self._told:
            return False
        if notify(FED, environ=self._environ):
            self._told = progress
            return True
        return False


def _interval(environ: Mapping[str, str]) -> float | None:
    """A quarter of WATCHDOG_USEC: three feedings may be missed."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (microseconds.isascii() and microseconds.isdigit()) or int(microseconds) == 0:
        return None
    if pid and pid != str(os.getpid()):
        return None
    return int(microseconds) / 4e6
