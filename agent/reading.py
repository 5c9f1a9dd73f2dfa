"""The kernel files of one job as they are read again and again.

This is the agent's hottest loop: one call of pread a file, and of the files that are read at each
sample the few numbers that the ring takes. The rest is cut into words when a page asks for them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from .files import Descriptors, Gone, KernelFile
from .parsers import Words
from .sources import Source


class Reading:
    """One file of one job: its newest content, and the words of its newest good one.

    A cgroup that goes, or a file that cannot be read or understood this time, leaves the last good
    words.
    """

    __slots__ = ("source", "file", "per_unit", "raw", "gone", "_parsed", "_words")

    def __init__(self, source: Source, directory: str, kept: Descriptors) -> None:
        """Read once; OSError or Gone where the file is not there, ValueError where it is odd."""
        self.source = source
        self.per_unit = 10.0**-source.exponent
        self.file = KernelFile(f"{directory}/{source.file}", kept)
        self.gone = False
        try:
            self.raw = self._parsed = self.file.read()
            self._words: Words = source.parse(self.raw)
        except (OSError, Gone, ValueError):
            self.file.close()
            raise

    @property
    def words(self) -> Words:
        """The words of the newest good content."""
        if self._parsed is not self.raw:
            self._parsed = self.raw
            with contextlib.suppress(ValueError):  # half written: nothing this time
                self._words = self.source.parse(self.raw)
        return self._words

    @property
    def families(self) -> tuple[str, ...]:
        """The metric family of each word; the last ones of the source may be missing."""
        return self.source.families[: len(self.words)]

    def put(self, row: list[float]) -> None:
        """Put the numbers that have a column of the ring into ``row``; ValueError where odd."""
        source = self.source
        for column, digits in zip(source.columns, source.quick(self.raw)):
            row[column] = int(digits) / self.per_unit


def refresh(readings: Iterable[Reading], row: list[float] | None = None) -> bool:
    """Read all, and put the numbers of those that changed into ``row``; is one newly gone?"""
    pread = os.pread
    gone = False
    for reading in readings:
        file = reading.file
        try:
            data = pread(file.descriptor, file.size, 0)
            if len(data) == file.size:
                data = _reread(reading)  # there is more
        except OSError:
            known = reading.gone
            data = _reread(reading)
            gone |= reading.gone and not known
        if data != reading.raw:
            reading.raw = data
            if row is not None:
                try:
                    reading.put(row)
                except ValueError:  # half written: nothing this time
                    continue
    return gone


def _reread(reading: Reading) -> bytes:
    """What the file says where its descriptor did not: it may not be kept, or be gone."""
    if reading.gone:
        return reading.raw
    try:
        return reading.file.read()
    except Gone:
        reading.gone = True
    except OSError:  # pressure that is switched off while the job runs
        pass
    return reading.raw
