"""A schedd's event log: what its events mean, and reading on where it was left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobmend.jobs.events import EventKind, JobEvent
from jobmend.plugins.htcondor import event_log
from jobmend.plugins.htcondor.event_log import EventLog
from jobmend.plugins.htcondor.history import Naming
from jobmend.plugins.htcondor.pool import Pool
from jobmend.plugins.scheduler import SchedulerError

pytest.importorskip("htcondor2")

NAMING = Naming("pool", ("JobBatchName",), ("RemoteHost",))
NOW = 1_800_000_000.0

# What HTCondor 25.14 writes after each event. The events themselves are not read.
EVENT = """\
028 (012.000.000) {time} Job ad information event triggered.
ClusterId = 12
EventTypeNumber = 28
GlobalJobId = "ap1#12.0#1795242239"
JobBatchName = "merge"
{more}MyType = "AnEvent"
NumShadowStarts = {execution}
Owner = "ada"
Proc = 0
ProcId = 0
QDate = 1795242239
TriggerEventTypeName = "ULOG_X"
TriggerEventTypeNumber = {number}
...
"""
SUBMIT, EXECUTE, EVICTED, TERMINATED, SHADOW, ABORTED, HELD, RELEASED = 0, 1, 4, 5, 7, 9, 12, 13


def event(number: int, seconds: int, execution: int = 1, **more: Any) -> str:
    time = f"2026-11-21 {12 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    lines = "".join(f"{name} = {value}\n" for name, value in more.items())
    return EVENT.format(number=number, time=time, execution=execution, more=lines)


LIFE = [
    event(SUBMIT, 0, execution=0),
    event(EXECUTE, 10, JobCurrentStartDate=1795262410),
    event(EVICTED, 20, VacateReasonCode=1),
    event(HELD, 21, HoldReasonCode=34, HoldReason='"too much"', LastJobStatus=2),
    event(RELEASED, 60),
    event(EXECUTE, 70, execution=2, JobCurrentStartDate=1795262470),
    event(SHADOW, 80, execution=2),
    event(EXECUTE, 90, execution=3, JobCurrentStartDate=1795262490),
    event(TERMINATED, 100, execution=3, ExitBySignal="false", ExitCode=3),
]


def read(log: EventLog, since: float = 0.0, now: float = NOW) -> list[tuple[str, str, str]]:
    return [_short(event) for event in log.events(since, NOW, now, NAMING)]


def _short(event: JobEvent) -> tuple[str, str, str]:
    kind = event.exit.kind.value if event.exit else ""
    return event.kind.value, event.run.run.rpartition("#")[2], kind


WHOLE = [
    ("queued", "1", ""),
    ("start", "1", ""),
    ("outcome", "1", "out_of_memory"),
    ("queued", "2", ""),
    ("start", "2", ""),
    ("start", "3", ""),
    ("outcome", "2", "node_failure"),
    ("outcome", "3", "error"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "EventLog"


def test_the_life_of_a_job(path: Path) -> None:
    path.write_text("".join(LIFE))
    told = read(EventLog(Pool(), str(path), ()))
    starts = [one for one in told if one[0] == "start"]
    assert sorted(set(told)) == sorted(WHOLE)
    assert [one for one in told if one[0] != "start"] == [one for one in WHOLE if one[0] != "start"]
    assert starts[0] == ("start", "1", "")


def test_removed_while_it_waits_and_while_it_runs(path: Path) -> None:
    path.write_text(
        event(ABORTED, 10, execution=0, LastJobStatus=1) + event(ABORTED, 12, LastJobStatus=2)
    )
    told = read(EventLog(Pool(), str(path), ()))
    assert told == [("outcome", "1", "cancelled")]  # one run, its last word


def test_an_end_is_told_once_it_is_final(path: Path) -> None:
    path.write_text("".join(LIFE[:3]))
    log = EventLog(Pool(), str(path), ())
    (start,) = [e for e in log.events(0, NOW, NOW, NAMING) if e.kind is EventKind.START]
    evicted = start.time + 10
    assert ("outcome", "1", "held") not in read(log, now=evicted + 2)
    with path.open("a") as file:
        file.write(LIFE[3])
    assert ("outcome", "1", "out_of_memory") in read(log, now=evicted + 60)


def test_it_is_read_on_after_more_was_written_and_renamed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_MARK_EVERY", 1)
    path.write_text("".join(LIFE[:4]))
    log = EventLog(Pool(), str(path), ())
    first = list(log.events(0, NOW, NOW, NAMING))
    path.rename(path.with_name("EventLog.old"))
    path.write_text("".join(LIFE[4:]))
    last = first[-1].time
    more = list(log.events(last, NOW, NOW, NAMING))
    assert {_short(event) for event in (*first, *more)} == set(WHOLE)
    assert len(more) < len(WHOLE)  # it was not read from the beginning
    asked = _asked(log, last)
    assert asked["offset"] > 0 and asked["inode"] == os.stat(f"{path}.old").st_ino
    again = EventLog(Pool(), str(path), ())  # a brain that was started anew
    assert {_short(event) for event in again.events(0, NOW, NOW, NAMING)} == set(WHOLE)


def _asked(log: EventLog, since: float) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    class Listening(Pool):
        def ask(self, question: str, **fields: object) -> Iterator[dict[str, Any]]:
            asked.update(fields)
            return iter(())

    log._pool = Listening()
    list(log.events(since, NOW, NOW, NAMING))
    return asked


def test_numbered_logs_are_read_oldest_first(path: Path) -> None:
    for name, part in (("EventLog.10", 0), ("EventLog.2", 1), ("EventLog.1", 2), ("EventLog", 4)):
        path.with_name(name).write_text(LIFE[part])
    path.with_name("EventLog.1x").write_text("no log\n")
    told = read(EventLog(Pool(), str(path), ()))
    assert [one for one in told if one[0] != "start"] == [
        ("queued", "1", ""),
        ("outcome", "1", "held"),
        ("queued", "2", ""),
    ]


def test_what_is_no_event_is_passed_over(path: Path) -> None:
    path.write_text("".join(LIFE[:4]) + "012 (0garbage\n\x00\x01\n...\n" + "".join(LIFE[4:]))
    assert set(read(EventLog(Pool(), str(path), ()))) == set(WHOLE)


def test_what_is_no_text_hides_no_other_event(path: Path) -> None:
    hostile = event(EXECUTE, 5, Custom='"NOTEXT"').encode().replace(b"NOTEXT", b"\xff\xfe(")
    path.write_bytes("".join(LIFE[:4]).encode() + hostile + "".join(LIFE[4:]).encode())
    assert set(read(EventLog(Pool(), str(path), ()))) == set(WHOLE)


def test_no_log_is_an_error(path: Path) -> None:
    with pytest.raises(SchedulerError, match="EventLog"):
        read(EventLog(Pool(), str(path), ()))


def test_half_an_event_waits_for_its_other_half(path: Path) -> None:
    text = "".join(LIFE)
    log = EventLog(Pool(), str(path), ())
    for end in range(len(text) - 60, len(text), 7):
        path.write_text(text[:end])
        read(log)
    path.write_text(text)
    assert set(read(log)) == set(WHOLE)
