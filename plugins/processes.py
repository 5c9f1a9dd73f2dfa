"""The processes of a cgroup and of the cgroups below it, and what /proc says of each.

Everything here may vanish while it is looked at, and users make cgroups and processes at will: what
is gone is passed over, and every walk and every read has a bound.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

MAX_CGROUPS = 1024  # looked into for one job: its user may make more
MAX_BYTES = 1 << 20  # read of one file

_UID = b"\nUid:\t"


def cgroups_below(directory: str, limit: int = MAX_CGROUPS) -> Iterator[str]:
    """``directory`` and the cgroups below it, at most ``limit`` of them."""
    waiting = [directory]
    for _ in range(limit):
        if not waiting:
            return
        here = waiting.pop()
        yield here
        waiting.extend(_children(here))


def _children(directory: str) -> list[str]:
    try:
        # A cgroup counts itself, its name in the parent, and each child's "..": so a leaf, which
        # most are, need not be listed. File systems that do not count so say 1.
        if os.stat(directory).st_nlink == 2:
            return []
        with os.scandir(directory) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def pids_below(directory: str) -> list[str] | None:
    """The processes in and below a cgroup, as words of ``/proc``; None where it cannot be read.

    As the kernel lists them: without zombies (cgroup-v2.rst), a process of several threads once.
    """
    pids: dict[bytes, None] = {}
    told = False
    for cgroup in cgroups_below(directory):
        try:
            pids.update(dict.fromkeys(read_file(os.path.join(cgroup, "cgroup.procs")).split()))
            told = True
        except OSError:
            continue  # gone, or a threaded cgroup: its processes stand in the one above
    pids.pop(b"0", None)  # of another PID namespace
    return [pid.decode() for pid in pids if pid.isdigit()] if told else None


def read_process(proc_root: str, pid: str, name: str) -> bytes:
    """The file ``name`` of a process, cut after MAX_BYTES; OSError where it cannot be read."""
    return read_file(os.path.join(proc_root, pid, name))


def real_uid(proc_root: str, pid: str) -> int | None:
    """The user a process runs for, whatever it may have become since; None where it is gone."""
    try:
        status = read_process(proc_root, pid, "status")
        return int(status.split(_UID, 1)[1].split(b"\t", 1)[0])
    except (OSError, IndexError, ValueError):
        return None


def user_name(uid: int) -> str:
    """The name of a user, or the number where nobody has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def read_file(path: str) -> bytes:
    """A file, cut after MAX_BYTES; OSError where it cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        left = MAX_BYTES
        while left > 0:
            part = os.read(descriptor, min(left, 65536))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
