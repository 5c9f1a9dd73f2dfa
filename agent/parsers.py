"""The kernel's files as values: bytes in, seconds and bytes out. No file is opened here.

Formats: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, accounting/psi.rst, proc_stat(5).
A file that does not look as documented raises ValueError.
"""

from __future__ import annotations

import os
from typing import NamedTuple

_TICKS = float(os.sysconf("SC_CLK_TCK"))  # of cpuacct.stat and /proc/stat, a second
_NO_LIMIT_V1 = 2**63 - 2**16  # v1 says LONG_MAX rounded down to a page of up to 64 KiB


class Cpu(NamedTuple):
    """CPU seconds in user mode and in the kernel; throttled: None where no limit can be set."""

    user: float
    system: float
    throttled: float | None = None


class Pressure(NamedTuple):
    """Seconds in which some task, and in which all tasks at once, waited for a resource."""

    some: float
    full: float | None = None


class MemoryStat(NamedTuple):
    """What memory is made of, in bytes; swap is None where another file tells it."""

    anon: int
    file: int
    shmem: int
    inactive_file: int
    swap: int | None = None


class Oom(NamedTuple):
    """Times the limit brought the OOM killer (None in v1), and processes it ended."""

    events: int | None
    kills: int


class Io(NamedTuple):
    """Bytes and operations on block devices."""

    read_bytes: int
    write_bytes: int
    read_operations: int
    write_operations: int


class Threads(NamedTuple):
    """Lines of /proc/stat: ``ticks`` is flat, len(MODES) numbers a thread.

    ``blocked`` is the number of tasks that wait for I/O at this moment.
    """

    cpus: tuple[int, ...]
    ticks: list[int]
    blocked: int = 0


# Columns of a cpu line. Those after steal (guest) are counted in user and nice already.
MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def key_values(data: bytes) -> dict[bytes, int]:
    """Lines of ``name number``."""
    words = data.split()
    if len(words) % 2:
        raise ValueError("a name without a number")
    return dict(zip(words[::2], map(int, words[1::2])))


def _want(found: dict[bytes, int], *names: bytes) -> list[int]:
    missing = [name.decode() for name in names if name not in found]
    if missing:
        raise ValueError(f"no line {missing[0]}")
    return [found[name] for name in names]


def cpu_stat(data: bytes) -> Cpu:
    """v2 ``cpu.stat``; the throttling lines need the cpu controller."""
    found = key_values(data)
    user, system = _want(found, b"user_usec", b"system_usec")
    throttled = found.get(b"throttled_usec")
    return Cpu(user / 1e6, system / 1e6, None if throttled is None else throttled / 1e6)


def cpuacct_usage(user: bytes, system: bytes) -> Cpu:
    """v1 ``cpuacct.usage_user`` and ``cpuacct.usage_sys``, in nanoseconds."""
    return Cpu(int(user) / 1e9, int(system) / 1e9)


def cpuacct_stat(data: bytes) -> Cpu:
    """v1 ``cpuacct.stat``, in ticks: for kernels before 4.7."""
    user, system = _want(key_values(data), b"user", b"system")
    return Cpu(user / _TICKS, system / _TICKS)


def throttled_v1(data: bytes) -> float:
    """v1 ``cpu.stat``: seconds of ``throttled_time``."""
    (nanoseconds,) = _want(key_values(data), b"throttled_time")
    return nanoseconds / 1e9


def pressure(data: bytes) -> Pressure:
    """A ``*.pressure`` file; an empty one (pressure is switched off) raises ValueError."""
    totals: dict[bytes, float] = {}
    for line in data.splitlines():
        word, _, rest = line.partition(b" ")
        totals[word] = int(rest.rpartition(b"total=")[2]) / 1e6
    if b"some" not in totals:
        raise ValueError("no line some")
    return Pressure(totals[b"some"], totals.get(b"full"))


def memory_stat(data: bytes) -> MemoryStat:
    """v2 ``memory.stat``."""
    return MemoryStat(*_want(key_values(data), b"anon", b"file", b"shmem", b"inactive_file"))


def memory_stat_v1(data: bytes) -> MemoryStat:
    """v1 ``memory.stat``: the total_ lines, which count the cgroups below too."""
    found = key_values(data)
    parts = _want(found, b"total_rss", b"total_cache", b"total_shmem", b"total_inactive_file")
    return MemoryStat(*parts)._replace(swap=found.get(b"total_swap"))


def oom_events(data: bytes) -> Oom:
    """v2 ``memory.events``."""
    return Oom(*_want(key_values(data), b"oom", b"oom_kill"))


def oom_kills_v1(data: bytes) -> int:
    """v1 ``memory.oom_control``: ``oom_kill``, of this cgroup alone."""
    (kills,) = _want(key_values(data), b"oom_kill")
    return kills


def amount(data: bytes) -> int:
    """A file of one number."""
    return int(data)


def limit(data: bytes) -> int | None:
    """A limit in bytes, or None where there is none: ``max`` in v2, a huge number in v1."""
    word = data.strip()
    if word == b"max" or int(word) >= _NO_LIMIT_V1:
        return None
    return int(word)


def io_stat(data: bytes) -> Io:
    """v2 ``io.stat``, summed over the devices."""
    sums = dict.fromkeys((b"rbytes", b"wbytes", b"rios", b"wios"), 0)
    for word in data.split():
        name, _, value = word.partition(b"=")
        if name in sums:
            sums[name] += int(value)
    return Io(*sums.values())


def cpu_list(data: bytes) -> tuple[int, ...]:
    """A cpuset such as ``0-3,7``, in ascending order; an empty one is an empty tuple."""
    cpus: set[int] = set()
    for part in data.strip().split(b","):
        first, _, last = part.partition(b"-")
        if part:
            cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


def proc_stat(data: bytes) -> Threads:
    """The per-thread lines of ``/proc/stat``, which come first, and the blocked tasks.

    Offline threads have no line.
    """
    cpus: list[int] = []
    ticks: list[int] = []
    for line in data.splitlines():
        words = line.split()
        if not words or not words[0].startswith(b"cpu"):
            break
        if words[0] != b"cpu":
            cpus.append(int(words[0][3:]))
            ticks.extend(map(int, words[1 : 1 + len(MODES)]))
    if not cpus or len(ticks) != len(cpus) * len(MODES):
        raise ValueError(f"{len(ticks)} counters for {len(cpus)} threads")
    _, _, after = data.rpartition(b"procs_blocked ")
    return Threads(tuple(cpus), ticks, int(after.split(None, 1)[0]) if after[:1].isdigit() else 0)


def seconds(ticks: int) -> float:
    """Ticks of ``/proc/stat`` as seconds."""
    return ticks / _TICKS
