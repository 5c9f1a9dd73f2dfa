"""The kernel files of one job as they are read again and again.

This is the agent's hottest loop: one call of pread a file, and nothing more where the content is
what it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from .files import Descriptors, Gone, KernelFile
from .parsers import Words
from .sources import Source


class Reading:
    """One file of one job: its newest good content, cut into words.

    A cgroup that goes, or a file that cannot be read or understood this time, leaves the last good
    words.
    """

    __slots__ = ("source", "file", "per_unit", "columns", "raw", "words", "gone")

    def __init__(self, source: Source, directory: str, kept: Descriptors) -> None:
        """Read once; OSError or Gone where the file is not there, ValueError where it is odd."""
        self.source = source
        self.per_unit = 10.0**-source.exponent
        self.columns = tuple(enumerate(source.columns))
        self.file = KernelFile(f"{directory}/{source.file}", kept)
        self.gone = False
        try:
            self.raw = self.file.read()
            self.words: Words = source.parse(self.raw)
        except (OSError, Gone, ValueError):
            self.file.close()
            raise

    @property
    def families(self) -> tuple[str, ...]:
        """The metric family of each word; the last ones of the source may be missing."""
        return self.source.families[: len(self.words)]


def refresh(readings: Iterable[Reading], row: list[float]) -> bool:
    """Read all, and put the words that have a column of the ring into ``row``.

    True where a file told more or fewer words than before, or was removed.
    """
    pread = os.pread
    otherwise = False
    for reading in readings:
        file = reading.file
        try:
            data = pread(file.descriptor, file.size, 0)
            if len(data) == file.size:
                data = _reread(reading)  # there is more
        except OSError:
            data = _reread(reading)
            otherwise |= reading.gone
        if data == reading.raw:
            continue
        try:
            words = reading.source.parse(data)
        except ValueError:  # half written: nothing this time
            continue
        reading.raw = data
        otherwise |= len(words) != len(reading.words)
        reading.words = words
        for index, column in reading.columns:
            row[column] = int(words[index]) / reading.per_unit
    return otherwise


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
