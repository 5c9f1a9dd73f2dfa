"""Giving way to jobs: the scorer runs when nobody else wants CPU or disk, in bounded memory."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import resource
from collections.abc import Callable

NICE = 19
OOM_SCORE = 500
# Bytes of addresses: NumPy takes a tenth of it, the largest window and ten networks half. Beyond, a
# question is answered with an error.
MAX_MEMORY_BYTES = 1024 * 1024 * 1024
_IDLE_IO = 3 << 13  # IOPRIO_CLASS_IDLE, <linux/ioprio.h>
_OWN_PROCESS = 1  # IOPRIO_WHO_PROCESS
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "ppc64le": 273, "s390x": 282}  # numbers of the call

log = logging.getLogger(__name__)


def give_way() -> list[str]:
    """Take the lowest priorities there are; what the system does not allow is told and logged."""
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, NICE)),
        ("idle class of the CPU", _idle_cpu),
        ("idle class of the disk", _idle_io),
        ("a bound of its memory", _bound_memory),
        ("a place before the agent when memory runs out", _die_first),
        ("name", _take_name),
    )
    refused = []
    for name, step in steps:
        try:
            step()
        except (OSError, ValueError, AttributeError) as error:
            refused.append(name)
            log.info("the scorer runs without %s: %s", name, error)
    return refused


def _idle_cpu() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _idle_io() -> None:
    """ioprio_set(2), for which neither Python nor glibc has a function."""
    number = _IOPRIO_SET.get(platform.machine())
    if number is None:
        raise OSError("no number of ioprio_set is known here")
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(number, _OWN_PROCESS, 0, _IDLE_IO) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _bound_memory() -> None:
    """What a model needs is seen when it works: one gone wrong must not take the node's memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def _die_first() -> None:
    """The agent is kept from the OOM killer and its scorer inherits that: it gives it back."""
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(OOM_SCORE))


def _take_name() -> None:
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write("jobmend-scorer")
