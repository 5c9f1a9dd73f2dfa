"""The socket hooks write to: one datagram is one event, and the kernel says who sent it.

Anybody on the node may write here, so nothing in a datagram is believed before it was checked: its
size, its form, and by SO_PASSCRED (the datagram form of SO_PEERCRED) the sender's user.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..jobs import wire
from ..jobs.events import EventKind, JobEvent
from ..jobs.fields import WireError
from ..jobs.text import printable
from ..plugins.processes import user_name

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_SCM_CREDENTIALS = 2  # <bits/socket.h>; the socket module names it on some systems only
_NOBODY = -1

# Schedulers whose hooks run as the user of the job.
OF_USERS = frozenset({"local", "htcondor"})

# QUEUED is told by the controller of Slurm: by trusted users alone.
TOLD_BY_HOOKS = (EventKind.QUEUED, EventKind.START, EventKind.END)

LINES_A_MINUTE = 60  # of the log, about datagrams that were refused

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Datagram:
    """What one hook sent, and the process that the kernel says it came from."""

    data: bytes
    pid: int
    uid: int
    whole: bool = True


class Refused(Exception):
    """A datagram that is not taken in; ``result`` is the word it is counted under."""

    def __init__(self, result: str, why: str, hook: str = "unknown") -> None:
        """Keep the word, the reason for the log, and which hook it seems to be from."""
        super().__init__(why)
        self.result = result
        self.hook = hook


class HookSocket:
    """A Unix datagram socket at ``path`` that every user of the node may write to."""

    def __init__(self, path: str) -> None:
        """Bind it, in place of one a dead agent left; OSError where that cannot be."""
        self._path = path
        os.makedirs(os.path.dirname(path) or ".", mode=0o755, exist_ok=True)
        _clear(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(path)
        os.chmod(path, 0o666)
        self._inode = os.stat(path).st_ino

    def receive(self, timeout: float) -> Datagram | None:
        """The next datagram, or None where none came within ``timeout`` seconds."""
        self._socket.settimeout(timeout)
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(
                wire.MAX_EVENT_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size)
            )
        except socket.timeout:
            return None
        pid = uid = _NOBODY
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SCM_CREDENTIALS):
                pid, uid, _ = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])
        return Datagram(data, pid, uid, whole=not flags & socket.MSG_TRUNC)

    def close(self) -> None:
        """Close the socket and remove its file, unless another agent has put its own there."""
        self._socket.close()
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass


def _clear(path: str) -> None:
    """Remove a dead socket; OSError where a live agent listens or the file is no socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "is there and is no socket; remove it", path)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "another agent listens here; stop it first", path)


def _nobody(scheduler: str, slot: str, uid: int) -> bool:
    """Of a caller that cannot look who lives in a slot."""
    return False


def judge(
    datagram: Datagram,
    trusted_uids: frozenset[int],
    may_claim: Callable[[str, str, int], bool] = _nobody,
) -> JobEvent:
    """The event in a datagram; Refused where it is malformed or not its sender's to tell.

    Users who are not trusted may tell of jobs of the local scheduler and of HTCondor, whose hooks
    run as the job's user. Those are booked on the name the kernel knows the user by, and
    ``may_claim(scheduler, slot, uid)`` says whether the slot they name can be that user's.
    """
    if not datagram.whole:
        raise Refused("corrupt", f"longer than {wire.MAX_EVENT_BYTES} bytes")
    try:
        event = wire.loads(datagram.data)
    except WireError as error:
        raise Refused("corrupt", str(error)) from error
    if not isinstance(event, JobEvent) or event.kind not in TOLD_BY_HOOKS:
        raise Refused("corrupt", "hooks tell QUEUED, START and END events only")
    if datagram.uid in trusted_uids:
        return event
    scheduler, slot = event.run.scheduler, event.facts.slot
    if scheduler not in OF_USERS or datagram.uid == _NOBODY or event.kind is EventKind.QUEUED:
        raise Refused(
            "untrusted",
            f"user {datagram.uid} may not tell of {scheduler} jobs; "
            "[hooks] trusted_uids lists who may",
            event.kind.value,
        )
    if slot and not may_claim(scheduler, slot, datagram.uid):
        raise Refused(
            "untrusted",
            f"in slot {slot} there are processes of other users than {datagram.uid} alone",
            event.kind.value,
        )
    return replace(event, facts=replace(event.facts, user=user_name(datagram.uid)))


class RefusalLog:
    """Writes down why datagrams were refused, so that no sender can harm or flood the log."""

    def __init__(self) -> None:
        """Start with nothing written."""
        self._minute = 0
        self._lines = 0

    def write(self, datagram: Datagram, refused: Refused, now: float) -> None:
        """One line in printable characters, at most LINES_A_MINUTE; ``now`` in seconds."""
        if int(now // 60) != self._minute:
            self._minute, self._lines = int(now // 60), 0
        self._lines += 1
        if self._lines <= LINES_A_MINUTE:
            log.warning(
                "a datagram of process %d, user %d is %s: %s",
                datagram.pid,
                datagram.uid,
                refused.result,
                printable(str(refused)),
            )
