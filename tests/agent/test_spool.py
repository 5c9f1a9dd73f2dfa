from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from array import array
from pathlib import Path

import pytest

from jobmend.agent import spool as module
from jobmend.agent.spool import Spool
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.identity import Run
from jobmend.jobs.windows import FEATURES, TraceWindow


def event(number: int) -> JobEvent:
    return JobEvent(EventKind.END, Run("c1", "slurm", str(number), "0"), 1000.0 + number, "n1")


def window(number: int) -> TraceWindow:
    values = array("f", [float(number)] * len(FEATURES))
    return TraceWindow("n1", float(number), 1.0, (0,), (None,), values)


def read(spool: Spool, limit: int = 500) -> list[wire.Message]:
    return [wire.loads(message.body) for message in spool.oldest(limit, 10**9)]


def test_messages_come_back_in_order_and_survive_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "spool.db")
    spool = Spool(path, 100)
    spool.add([event(1), window(2)])
    spool.add([event(3)])
    assert spool.depth() == {"event": 2, "window": 1}
    spool.close()
    spool = Spool(path, 100)
    assert read(spool) == [event(1), window(2), event(3)]
    assert spool.depth() == {"event": 2, "window": 1}
    spool.settle(spool.oldest(2, 10**9), {})
    assert read(spool) == [event(3)]
    spool.close()


def test_a_batch_is_bounded_in_messages_and_bytes(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool.db"), 100)
    spool.add(event(number) for number in range(5))
    size = len(wire.dumps(event(0))) + 1
    assert len(spool.oldest(3, 10**9)) == 3
    assert len(spool.oldest(5, 2 * size)) == 2
    assert len(spool.oldest(5, 1)) == 1  # one goes alone, however large
    spool.close()


def test_windows_go_before_events_and_events_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(str(tmp_path / "spool.db"), 4)
    spool.add([event(1), window(2), window(3), event(4)])
    spool.add([event(5)])
    assert read(spool) == [event(1), window(3), event(4), event(5)]
    spool.add([event(6), event(7)])
    assert read(spool) == [event(4), event(5), event(6), event(7)]
    assert dict(spool.dropped) == {"window": 2, "event": 1}
    assert "1 event(s) dropped" in caplog.text
    spool.close()


def test_rejected_messages_are_set_aside_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REJECTED", 2)
    path = tmp_path / "spool.db"
    spool = Spool(str(path), 100)
    spool.add(event(number) for number in range(4))
    batch = spool.oldest(500, 10**9)
    spool.settle(batch, {one.id: f"why {one.id}" for one in batch[:3]})
    assert spool.depth() == {"event": 0, "window": 0}
    spool.close()
    rows = sqlite3.connect(path).execute("SELECT body, error FROM rejected ORDER BY id").fetchall()
    assert [(wire.loads(body), error) for body, error in rows] == [
        (event(1), f"why {batch[1].id}"),
        (event(2), f"why {batch[2].id}"),
    ]


def test_a_full_disk_keeps_messages_in_memory_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 300)
    monkeypatch.setattr(module, "MAX_WAITING_WINDOWS", 2)
    spool = Spool(str(tmp_path / "spool.db"), 10_000)
    (pages,) = spool._database.execute("PRAGMA page_count").fetchone()
    spool._database.execute(f"PRAGMA max_page_count = {pages + 1}")  # SQLite's own "disk is full"
    written = 0
    while not spool.errors:
        spool.add([event(written)])
        written += 1
    spool.add([window(1), window(2), window(3)])
    assert spool.depth() == {"event": written, "window": 2}
    spool._database.execute("PRAGMA max_page_count = 100000")
    spool.retry()
    assert [one for one in read(spool) if isinstance(one, JobEvent)] == [
        event(number) for number in range(written)
    ]
    assert dict(spool.dropped) == {"window": 1}
    spool.close()


def test_a_damaged_database_is_kept_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database" * 100)
    spool = Spool(str(path), 100)
    spool.add([event(1)])
    assert read(spool) == [event(1)]
    (aside,) = tmp_path.glob("spool.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    spool.close()


WRITER = """
import sys
from jobmend.agent.spool import Spool
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.identity import Run
spool = Spool(sys.argv[1], 100000)
number = 0
while True:
    run = Run("c1", "slurm", str(number), "0")
    spool.add([JobEvent(EventKind.END, run, 1000.0 + number, "n1")])
    print(number, flush=True)
    number += 1
"""


def test_what_was_added_survives_kill_9(tmp_path: Path) -> None:
    path = str(tmp_path / "spool.db")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd="/")
    assert writer.stdout is not None
    for _ in range(50):
        writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    told = [int(line) for line in writer.stdout.read().split()]
    writer.stdout.close()
    writer.wait()
    last = max(told, default=49)
    spool = Spool(path, 100_000)
    kept = [int(one.run.job_id) for one in read(spool, 100_000) if isinstance(one, JobEvent)]
    assert kept[: last + 1] == list(range(last + 1))
    assert len(kept) <= last + 2  # at most the one that was written and not yet said
    spool.close()


def test_the_age_is_that_of_the_oldest_message(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool.db"), 100)
    assert spool.age(time.time()) == 0.0
    before = int(time.time())
    spool.add([event(1)])
    spool.add([event(2)])
    assert 60.0 <= spool.age(before + 62.0) <= 62.0
    spool.settle(spool.oldest(10, 10**9), {})
    assert spool.age(before + 62.0) == 0.0
    spool.close()
