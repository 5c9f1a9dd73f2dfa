"""Telling the agent: one datagram to a local socket, in a moment or not at all.

A hook that fails or waits can drain a node, so nothing here raises, prints or waits for longer
than PATIENCE_SECONDS. Only small standard modules are imported: the interpreter's start is most
of a hook's time.
"""

from __future__ import annotations

import json
import os
import signal
import socket

TYPE_CHECKING = False  # typing itself would take a tenth of a hook's time
if TYPE_CHECKING:
    from types import FrameType

SOCKET = "/run/jobmend/hook.sock"
SOCKET_VARIABLE = "JOBMEND_HOOK_SOCKET"
MAX_BYTES = 16 * 1024  # jobs.wire.MAX_EVENT_BYTES, not imported to keep the start short
# The kernel queues ten datagrams (net.unix.max_dgram_qlen); many jobs may start at one moment.
PATIENCE_SECONDS = 0.02
VERSION = 1  # jobs.wire.VERSION, likewise; a test holds both together
MAX_NAME = 256  # characters of a name, jobs.fields.MAX_NAME, likewise
# The cluster of a run whose hook is not told it: the agent puts its own there.
UNTOLD_CLUSTER = "-"


def tell(body: dict[str, object], path: str = "") -> bool:
    """Send one event body to the agent; False when nobody could take it."""
    try:
        message = {"jobmend": VERSION, "kind": "event", "body": body}
        text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        data = text.encode(errors="replace")
        if len(data) > MAX_BYTES:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(PATIENCE_SECONDS)
            channel.connect(path or os.environ.get(SOCKET_VARIABLE) or SOCKET)
            channel.send(data)
        return True
    except (OSError, ValueError, TypeError):
        return False


def end_within(seconds: float) -> None:
    """End this process with status 0 after so many seconds of wall time, whatever it does then."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _give_up(signum: int, frame: FrameType | None) -> None:
    os._exit(0)


def is_name(word: str) -> bool:
    """Can ``word`` be a part of a run's key? Then jobs.fields takes it for a name."""
    return 0 < len(word) <= MAX_NAME and "/" not in word and word.isprintable()
