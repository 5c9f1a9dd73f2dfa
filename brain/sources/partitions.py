"""The archive's folder: one partition a day (UTC), whole files alone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

DAY_SECONDS = 86400.0
_DAY = re.compile(r"day=\d{4}-\d\d-\d\d")
_PART = re.compile(r"part-[0-9a-z-]+\.parquet")


def day_of(time: float) -> str:
    """The name of the partition for windows that begin at ``time``, epoch seconds."""
    return f"day={datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d}"


def begin_of(day: Path) -> float:
    """Epoch seconds at which a partition begins; ValueError where its name is no date."""
    date = datetime.strptime(day.name, "day=%Y-%m-%d").replace(tzinfo=timezone.utc)
    return date.timestamp()


def days(directory: Path) -> list[Path]:
    """All partitions, oldest first; none where there is no such folder."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in directory.iterdir():
            if _DAY.fullmatch(path.name):
                with contextlib.suppress(ValueError):  # the 31st of February
                    begin_of(path)
                    found.append(path)
    return sorted(found)


def days_between(directory: Path, since: float, until: float) -> list[Path]:
    """The partitions that hold windows which begin in ``[since, until)``, oldest first."""
    return [
        day
        for day in days(directory)
        if begin_of(day) < until and begin_of(day) + DAY_SECONDS > since
    ]


def days_before(days: Iterable[Path], time: float) -> list[Path]:
    """The partitions that are over at a time."""
    return [day for day in days if begin_of(day) + DAY_SECONDS <= time]


def parts(day: Path) -> list[Path]:
    """The whole files of a partition, by name; none where it is gone."""
    try:
        return sorted(path for path in day.iterdir() if _PART.fullmatch(path.name))
    except FileNotFoundError:
        return []


def name_of(first: float, words: Iterable[str]) -> str:
    """A file's name: the start of its first window, and a digest of the words that made it.

    The same windows written again replace the file they are in already.
    """
    digest = hashlib.blake2b("\n".join(words).encode(), digest_size=12).hexdigest()
    return f"part-{int(first)}-{digest}.parquet"


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file that is at ``path`` once the block has ended well, and on the disk; else nowhere."""
    _make(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _make(day: Path) -> None:
    """Make the folder of a partition; a kill of the machine must not lose its name."""
    if not day.is_dir():
        day.mkdir(parents=True, exist_ok=True)
        _sync(day.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def leftovers(day: Path, before: float) -> list[Path]:
    """Files that were never made whole, last touched before a time: their writer was killed."""
    found = []
    for path in day.glob(".part-*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                found.append(path)
    return found


def size(path: Path) -> int:
    """Bytes of a file; 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def remove(day: Path, paths: Iterable[Path]) -> None:
    """Remove files of a partition, and the partition once it is empty."""
    for path in paths:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        day.rmdir()
