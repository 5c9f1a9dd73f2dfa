"""Which job runs in a slot, by what HTCondor gives the job's processes in their environment.

The environment and the job's ad that it points to belong to the job's user, who may have written
anything there. So reads are bounded, only the names below are looked for and nothing else is kept,
and a hook's word goes before what is found here. Reading the environment of another user's process
needs CAP_SYS_PTRACE, and the ad in a scratch directory that is the user's alone (the default of
JOB_EXECDIR_PERMISSIONS) CAP_DAC_READ_SEARCH.

Sources: the manual, "Services for running jobs" (_CONDOR_JOB_AD, _CONDOR_SLOT) and "Job ClassAd
attributes"; the old syntax of ClassAds (``Name = value`` on a line) of .job.ad.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import NamedTuple

from ..layout import Identity, Unidentified
from ..processes import pids_below, read_process, real_uid, user_name
from .runs import ordinal, run_name

JOB_AD, SLOT = b"_CONDOR_JOB_AD", b"_CONDOR_SLOT"
AD_NAME = ".job.ad"

MAX_PROCESSES = 64  # looked at for one job
MAX_AD_BYTES = 1 << 20

_SLOT_OF_DIRECTORY = re.compile(r"_([A-Za-z][A-Za-z-]*\d+(?:_\d+)?)@[^/]*$")
_NUMBERS = re.compile(
    rb"^(ClusterId|ProcId|NumShadowStarts|NumJobReconnects|JobCurrentStartDate|JobStartDate)"
    rb" = (\d{1,15})$",
    re.M,
)
_GLOBAL_ID = re.compile(rb'^GlobalJobId = "([^"\\\n]{1,1024})"$', re.M)


class _Process(NamedTuple):
    """A process that says which job it is of."""

    pid: str
    started: int  # in ticks after the boot
    job_ad: bytes


def identify(directories: Mapping[str, str], proc_root: str) -> Identity | None:
    """The job in the slot whose cgroup has these directories, as its oldest process tells.

    A pilot's payload is younger than the pilot and names other slots. None where no process tells;
    Unidentified where processes may not be asked, or name other slots only.
    """
    slot = slot_of(next(iter(directories.values()), ""))
    denied = False
    for process in sorted(_asked(directories, proc_root, slot), key=_age):
        try:
            identity = _identity(process, proc_root)
        except PermissionError:
            denied = True
            continue
        except OSError:
            continue  # the file system failed
        if identity is not None:
            return identity
    if denied:
        raise Unidentified(
            "environ_denied",
            "the job's ad in its scratch directory may not be read; give the agent "
            "CAP_DAC_READ_SEARCH, or let HTCondor's hooks tell",
        )
    return None


def _age(process: _Process) -> int:
    return process.started


def slot_of(directory: str) -> str:
    """The slot in the name of a job's directory, as a job's environment names it: ``slot1_1``."""
    found = _SLOT_OF_DIRECTORY.search(directory)
    return found[1] if found else ""


# ---- asking the processes ------------------------------------------------------------------------


def _asked(directories: Mapping[str, str], proc_root: str, slot: str) -> list[_Process]:
    """The processes that say they run in ``slot``; Unidentified where no process can be asked."""
    told: list[_Process] = []
    denied = elsewhere = False
    for pid in _pids(directories)[:MAX_PROCESSES]:
        try:
            environ = parse_environ(read_process(proc_root, pid, "environ"))
            started = _started(read_process(proc_root, pid, "stat"))
        except PermissionError:
            denied = True
            continue
        except (OSError, ValueError):
            continue  # gone meanwhile
        if SLOT not in environ or JOB_AD not in environ:
            continue
        if environ[SLOT].split(b"@", 1)[0] == slot.encode():
            told.append(_Process(pid, started, environ[JOB_AD]))
        else:
            elsewhere = True
    if not told and elsewhere:
        raise Unidentified("slot_mismatch", "its processes say that they run in another slot")
    if not told and denied:
        raise Unidentified(
            "environ_denied",
            "the environment of its processes may not be read; give the agent CAP_SYS_PTRACE, or "
            "let HTCondor's hooks tell",
        )
    return told


def _pids(directories: Mapping[str, str]) -> list[str]:
    for directory in directories.values():
        pids = pids_below(directory)
        if pids:
            return pids
    return []


def parse_environ(data: bytes) -> dict[bytes, bytes]:
    """The variables of an environment that are asked for; all others are dropped unread."""
    found: dict[bytes, bytes] = {}
    for entry in data.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name in (JOB_AD, SLOT) and 0 < len(value) < 4096:
            found.setdefault(name, value)
    return found


def _started(line: bytes) -> int:
    """Field 22 of /proc/<pid>/stat: the name before may hold brackets and spaces."""
    fields = line.rpartition(b")")[2].split()
    if len(fields) < 20:
        raise ValueError("no start in stat")
    return int(fields[19])


# ---- reading the ad ------------------------------------------------------------------------------


def _identity(process: _Process, proc_root: str) -> Identity | None:
    path = os.fsdecode(process.job_ad)
    if not path.startswith("/") or os.path.basename(path) != AD_NAME:
        return None
    # As the process sees it: HTCondor may give a job its own /tmp and scratch directory.
    inside = os.path.join(proc_root, process.pid, "root", path.lstrip("/"))
    return parse_ad(_read_regular(inside), real_uid(proc_root, process.pid))


def _read_regular(path: str) -> bytes:
    """The file at ``path``, or nothing where it is none; PermissionError where it is closed to us.

    A user can put a link, a pipe or, in a mount namespace, a device there: O_PATH looks what it is
    without opening it.
    """
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except PermissionError:
        raise
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return b""
        with open(f"/proc/self/fd/{place}", "rb") as file:
            return file.read(MAX_AD_BYTES)
    finally:
        os.close(place)


def parse_ad(data: bytes, uid: int | None) -> Identity | None:
    """The identity in a job's ad, of a job that runs as ``uid``; None where it is not whole."""
    numbers = {name: int(value) for name, value in reversed(_NUMBERS.findall(data))}
    global_id = _GLOBAL_ID.search(data)
    if global_id is None or b"ClusterId" not in numbers or b"ProcId" not in numbers:
        return None
    start = numbers.get(b"JobCurrentStartDate", numbers.get(b"JobStartDate", 0))
    execution = ordinal(numbers.get(b"NumShadowStarts", 0), numbers.get(b"NumJobReconnects", 0))
    return Identity(
        job_id=f"{numbers[b'ClusterId']}.{numbers[b'ProcId']}",
        run=run_name(global_id[1].decode("ascii", "replace"), execution),
        user="" if uid is None else user_name(uid),
        uid=uid,
        started=float(start) or None,
    )
