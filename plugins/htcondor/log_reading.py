"""What a schedd's event log says of jobs, read on from a position; on the schedd's own machine.

HTCondor renames a log that is full (``EventLog.old``, or ``.1``, ``.2`` …) and begins another. A
position is a file's inode and an offset in it, so a log is found again under its new name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import htcondor2

Position = tuple[int, int]  # inode, bytes

AD_INFORMATION = 28  # follows each event where EVENT_LOG_JOB_AD_INFORMATION_ATTRS is set


def events(path: str, inode: int, offset: int) -> Iterator[tuple[Position, Mapping[str, Any]]]:
    """Each event that carries attributes of its job, and the position behind it.

    The attributes are those of the event and of the job, besides ``EventTime`` (seconds since the
    epoch) and ``Trigger`` (the number of the event). From the oldest event on where no log with
    that inode is left. OSError where there is no log at all.
    """
    files = [os.open(file, os.O_RDONLY | os.O_CLOEXEC) for file in _oldest_first(Path(path))]
    try:
        inodes = [os.fstat(file).st_ino for file in files]
        first = inodes.index(inode) if inode in inodes else 0
        for number in range(first, len(files)):
            start = offset if inodes[number] == inode else 0
            yield from _read(files[number], inodes[number], start)
    finally:
        for file in files:
            os.close(file)


def _oldest_first(path: Path) -> list[Path]:
    rotated = [path.with_name(f"{path.name}.old")]
    numbered = [
        file
        for file in path.parent.glob(f"{path.name}.*")
        if file.suffix[1:].isdigit() and file.stem == path.name
    ]
    rotated += sorted(numbered, key=lambda file: -int(file.suffix[1:]))
    return [*(file for file in rotated if file.exists()), path]


def _read(file: int, inode: int, offset: int) -> Iterator[tuple[Position, Mapping[str, Any]]]:
    if offset >= os.fstat(file).st_size:
        return
    # Opened by its descriptor: the name may mean another file by now. The state is what a log
    # would be pickled as.
    log = htcondor2.JobEventLog.__new__(htcondor2.JobEventLog)
    log.__setstate__(({"_deadline": 0, "_filename": f"/proc/self/fd/{file}"}, offset))
    with closing(log):
        for event in _readable(log):
            if int(event.type) == AD_INFORMATION:
                position = (inode, int(log.__getstate__()[1]))
                yield position, _attributes(event)


def _readable(log: Any) -> Iterator[Any]:
    """The events of a log; what is none, or no UTF-8, is passed over, however much there is."""
    reading, before = log.events(0), -1
    while True:
        try:
            yield next(reading)
        except StopIteration:
            return
        except (htcondor2.HTCondorException, UnicodeDecodeError):
            position = int(log.__getstate__()[1])
            if position == before:
                return  # it does not get over it
            before = position


def _attributes(event: Any) -> Mapping[str, Any]:
    told = {name: event[name] for name in event}
    trigger = told.pop("TriggerEventTypeNumber", None)
    return {**told, "EventTime": int(event.timestamp), "Trigger": trigger}
