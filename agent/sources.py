"""What a job's cgroup tells: which file of which controller gives which metric families.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{cpuacct,memory}.rst of Linux. Where
several files tell the same, the first that is there serves. A source whose file is missing, empty
or not as documented is left out: what the kernel does not tell has no series.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from . import parsers
from .cgroups import UNIFIED
from .parsers import Words

# Columns of a row of a job's ring: what was spent from one sample to the next, in seconds;
# NaN where the kernel does not tell.
SECONDS, CPU_USER, CPU_SYSTEM, CPU_WAITING, MEMORY_WAITING, IO_WAITING = range(6)
COLUMNS = 6

# A word is a number of these powers of ten of the base unit: written behind the kernel's digits,
# 2026077e-6, the page's number costs no conversion.
NANO, MICRO, WHOLE = -9, -6, 0


def _tick_exponent(ticks: int) -> int:
    """The power of ten that one tick is, a second having ``ticks``; it is 100 wherever we run."""
    exponent = len(str(ticks)) - 1
    if 10**exponent != ticks:
        raise OSError(f"this kernel counts {ticks} ticks a second, which is no power of ten")
    return -exponent


TICK = _tick_exponent(os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True)
class Source:
    """A kernel file, how it is cut into words, and the family and unit of each word.

    ``columns``: the columns of the ring that take the words ``quick`` finds; such a file is read
    at each sample, the others more slowly.
    """

    controller: str
    file: str
    parse: Callable[[bytes], Words]
    exponent: int
    families: tuple[str, ...]
    columns: tuple[int, ...] = ()
    quick: Callable[[bytes], Words] = parsers.number


def _family(*names: str) -> tuple[str, ...]:
    return tuple(f"jobmend_job_{name}" for name in names)


CPU_FAMILIES = _family("cpu_user_seconds_total", "cpu_system_seconds_total")
THROTTLED = _family("cpu_throttled_seconds_total")
CURRENT, PEAK, LIMIT, SWAP = _family(
    *(f"memory_{word}_bytes" for word in ("current", "peak", "limit", "swap"))
)
STAT = _family(*(f"memory_{word}_bytes" for word in ("anon", "file", "shmem", "inactive_file")))
OOM = _family("memory_oom_events_total", "memory_oom_kills_total")
IO = _family(*(f"io_{word}_total" for word in ("read_bytes", "write_bytes")))
IO += _family(*(f"io_{word}_total" for word in ("read_operations", "write_operations")))
FAILURES = _family("memory_limit_hits_total")
THREADS = _family("threads")


def _pressure(resource: str, column: int) -> Source:
    families = [f"pressure_{resource}_{word}_seconds_total" for word in ("waiting", "stalled")]
    file = f"{resource}.pressure"
    return Source(
        UNIFIED, file, parsers.pressure, MICRO, _family(*families), (column,), parsers.first_total
    )


SOURCES = (
    # Every sample.
    Source(
        UNIFIED,
        "cpu.stat",
        parsers.Lines(b"user_usec", b"system_usec", optional=(b"throttled_usec",)),
        MICRO,
        CPU_FAMILIES + THROTTLED,
        (CPU_USER, CPU_SYSTEM),
        parsers.user_and_system,
    ),
    Source("cpuacct", "cpuacct.usage_user", parsers.number, NANO, CPU_FAMILIES[:1], (CPU_USER,)),
    Source("cpuacct", "cpuacct.usage_sys", parsers.number, NANO, CPU_FAMILIES[1:], (CPU_SYSTEM,)),
    Source(  # before Linux 4.7
        "cpuacct",
        "cpuacct.stat",
        parsers.Lines(b"user", b"system"),
        TICK,
        CPU_FAMILIES,
        (CPU_USER, CPU_SYSTEM),
        parsers.Lines(b"user", b"system"),
    ),
    _pressure("cpu", CPU_WAITING),
    _pressure("memory", MEMORY_WAITING),
    _pressure("io", IO_WAITING),
    # More slowly.
    Source("cpu", "cpu.stat", parsers.Lines(b"throttled_time"), NANO, THROTTLED),
    Source(UNIFIED, "memory.current", parsers.number, WHOLE, (CURRENT,)),
    Source("memory", "memory.usage_in_bytes", parsers.number, WHOLE, (CURRENT,)),
    Source(
        UNIFIED,
        "memory.stat",
        parsers.Lines(b"anon", b"file", b"shmem", b"inactive_file"),
        WHOLE,
        STAT,
    ),
    Source(  # the total_ lines count the cgroups below too
        "memory",
        "memory.stat",
        parsers.Lines(
            *(b"total_rss", b"total_cache", b"total_shmem", b"total_inactive_file"),
            optional=(b"total_swap",),
        ),
        WHOLE,
        (*STAT, SWAP),
    ),
    Source(UNIFIED, "memory.swap.current", parsers.number, WHOLE, (SWAP,)),
    Source(UNIFIED, "memory.peak", parsers.number, WHOLE, (PEAK,)),  # Linux 5.19
    Source("memory", "memory.max_usage_in_bytes", parsers.number, WHOLE, (PEAK,)),
    Source(UNIFIED, "memory.max", parsers.limit, WHOLE, (LIMIT,)),
    Source("memory", "memory.limit_in_bytes", parsers.limit, WHOLE, (LIMIT,)),
    Source("memory", "memory.failcnt", parsers.number, WHOLE, FAILURES),
    Source(
        UNIFIED, "memory.events", parsers.Lines(b"oom", b"oom_kill", b"max"), WHOLE, OOM + FAILURES
    ),
    Source(UNIFIED, "io.stat", parsers.io_stat, WHOLE, IO),
    Source(UNIFIED, "pids.current", parsers.number, WHOLE, THREADS),
    Source("pids", "pids.current", parsers.number, WHOLE, THREADS),
)
