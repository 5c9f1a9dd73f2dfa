"""The kernel's files cut into words: bytes in, words of digits out. No file is opened here.

Numbers stay the kernel's own digits: converting every one of them would cost more than reading the
file. What a word counts (microseconds, ticks, bytes) is told by :mod:`.sources`.

Formats: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, accounting/psi.rst, proc_stat(5).
A file that does not look as documented raises ValueError.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

Words = tuple[bytes, ...]  # digits each

_NO_LIMIT_V1 = 2**63 - 2**16  # v1 says LONG_MAX rounded down to a page of up to 64 KiB

# Columns of a cpu line of /proc/stat. Those after steal (guest) are counted in user and nice.
MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
STAT_WORDS = 11  # of a cpu line: its name, MODES, guest and guest_nice


class _Places(NamedTuple):
    """Where the names and numbers stood in a file of so many words."""

    length: int
    names: Words
    pick: Callable[[list[bytes]], Any]


class Lines:
    """The numbers behind some names in a file of ``name number`` lines, in the order of the names.

    The kernel writes its lines in one order for as long as it runs, so the places found first are
    only checked afterwards.
    """

    def __init__(self, *names: bytes, optional: tuple[bytes, ...] = ()) -> None:
        """Look for ``names`` and, behind them, those of ``optional`` that are there."""
        self._names = names
        self._optional = optional
        self._known = _Places(-1, (), operator.itemgetter(0))

    def __call__(self, data: bytes) -> Words:
        """The numbers; ValueError where one of ``names`` is missing. Any thread may call it."""
        words = data.split()
        known = self._known
        found = known.pick(words) if len(words) == known.length else ()
        if not found or found[::2] != known.names:
            self._known = known = self._learn(words)
            found = known.pick(words)
        numbers: Words = found[1::2]
        return digits(numbers)

    def _learn(self, words: list[bytes]) -> _Places:
        places = {word: place for place, word in enumerate(words[:-1:2])}
        missing = [name.decode() for name in self._names if name not in places]
        if missing:
            raise ValueError(f"no line {missing[0]}")
        names = (*self._names, *(name for name in self._optional if name in places))
        pick = operator.itemgetter(
            *(place for name in names for place in (2 * places[name], 2 * places[name] + 1))
        )
        return _Places(len(words), names, pick)


def digits(words: Words) -> Words:
    """``words`` as they are; ValueError where one is no whole number."""
    if b"" in words or not b"".join(words).isdigit():
        raise ValueError("a word that is no number")
    return words


def number(data: bytes) -> Words:
    """A file of one number."""
    return digits((data.strip(),))


def limit(data: bytes) -> Words:
    """A limit, or nothing where there is none: ``max`` in v2, a huge number in v1."""
    word = data.strip()
    if word == b"max":
        return ()
    return () if int(word) >= _NO_LIMIT_V1 else digits((word,))


def pressure(data: bytes) -> Words:
    """The totals of a ``*.pressure`` file: some, and full where the kernel tells it.

    An empty file (pressure is switched off) raises ValueError.
    """
    totals = [line.partition(b" total=")[2] for line in data.splitlines()]
    if not data.startswith(b"some ") or len(totals) > 2:
        raise ValueError("no line some")
    return digits(tuple(totals))


def first_total(data: bytes) -> Words:
    """The total of the line some of a ``*.pressure`` file, which comes first."""
    return (data[data.index(b" total=") + 7 : data.index(b"\n")],)


def user_and_system(data: bytes) -> Words:
    """User and system time of v2 ``cpu.stat``: its second and third line, since Linux 4.15."""
    words = data.split(None, 6)
    if words[2:5:2] == [b"user_usec", b"system_usec"]:
        return words[3], words[5]
    return _USER_AND_SYSTEM(data)


_USER_AND_SYSTEM = Lines(b"user_usec", b"system_usec")


def io_stat(data: bytes) -> Words:
    """v2 ``io.stat``, summed over the devices: bytes read, written, operations likewise."""
    sums = dict.fromkeys((b"rbytes", b"wbytes", b"rios", b"wios"), 0)
    for word in data.split():
        name, _, value = word.partition(b"=")
        if name in sums:
            sums[name] += int(value)
    return tuple(b"%d" % value for value in sums.values())


def cpu_list(data: bytes) -> tuple[int, ...]:
    """A cpuset such as ``0-3,7``, in ascending order; an empty one is an empty tuple."""
    cpus: set[int] = set()
    for part in data.strip().split(b","):
        first, _, last = part.partition(b"-")
        if part:
            cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


class Stat(NamedTuple):
    """What is read of /proc/stat: the lines of the single threads, and the blocked tasks.

    ``blocked`` is the number of tasks that wait for I/O at this moment.
    """

    lines: bytes
    blocked: int


def proc_stat(data: bytes) -> Stat:
    """The per-thread lines of ``/proc/stat``, which follow their sum; ValueError without any."""
    begin, end = data.find(b"\ncpu") + 1, data.find(b"\nintr") + 1
    if not data.startswith(b"cpu ") or not 0 < begin < end:
        raise ValueError("no lines of single threads")
    # The intr line may be tens of kilobytes: look from the end.
    word = data[data.rfind(b"\nprocs_blocked ") :].split(None, 2)[1:2]
    return Stat(data[begin:end], int(word[0]) if word and word[0].isdigit() else 0)


def stat_words(lines: bytes) -> list[bytes]:
    """The words of thread lines, STAT_WORDS a thread; ValueError where a line is too short."""
    words = lines.split()
    if len(words) == STAT_WORDS * lines.count(b"\n"):
        return words
    cut: list[bytes] = []
    for line in lines.splitlines():  # a kernel that tells more than today's, or an old one less
        words = line.split()
        if len(words) <= len(MODES):
            raise ValueError(f"a cpu line of {len(words)} words")
        cut += [*words, b"0", b"0"][:STAT_WORDS]
    return cut


def stat_cpus(words: list[bytes]) -> tuple[int, ...]:
    """The numbers of the threads that are online, from :func:`stat_words`."""
    return tuple(int(name[3:]) for name in words[::STAT_WORDS])
