from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobmend.brain import archiving, ingest
from jobmend.brain.archiving import Archiving, Bounds, move, reached
from jobmend.brain.brain import Brain
from jobmend.brain.sources.archive import Archive
from jobmend.brain.store import Store
from tests.brain.scene import Clock
from tests.brain.sources.windows import DAY, NOON, told, window

EVER = (0.0, NOON + 99 * DAY)
KILLED_BETWEEN = """
import os, signal, sys
from pathlib import Path
from jobmend.brain.archiving import move
from jobmend.brain.sources.archive import Archive
from jobmend.brain.store import Store

class Killed(Archive):
    def add(self, windows, now):
        super().add(windows, now)
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
move(Store(folder / "brain.db"), Killed(folder / "archive"), float(sys.argv[2]))
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "brain.db")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def tell(store: Store, *starts: float, bound: int = 5000) -> None:
    ingest.take(store, [window(start) for start in starts], now=NOON, max_windows=bound)


def test_each_window_goes_to_the_archive_once(
    store: Store, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "BATCH_BYTES", 1000)  # several batches
    clock, counted = Clock(NOON), list[int]()
    rounds = Archiving(store, archive, Bounds(30, 1e9), clock, counted.append)
    tell(store, *(NOON + number for number in range(7)))
    rounds.round()
    assert (sum(counted), len(counted) > 1) == (7, True)
    tell(store, NOON + 6, NOON + 7)  # one of them is told again
    rounds.round()
    assert sum(counted) == 7  # not due yet
    clock.time += archiving.SECONDS
    rounds.round()
    assert sum(counted) == 8
    assert [one.start for one in archive.windows(*EVER)] == [NOON + number for number in range(8)]


def test_many_windows_do_not_wait(store: Store, archive: Archive) -> None:
    counted = list[int]()
    rounds = Archiving(store, archive, Bounds(30, 1e9), Clock(NOON), counted.append)
    rounds.round()
    tell(store, *(NOON + number for number in range(archiving.MANY - 1)))
    rounds.round()
    assert counted == []
    tell(store, NOON - 1)
    rounds.round()
    assert sum(counted) == archiving.MANY


def test_a_kill_between_archive_and_cursor_loses_and_doubles_nothing(
    store: Store, archive: Archive, tmp_path: Path
) -> None:
    tell(store, NOON, NOON + 1)
    argv = [sys.executable, "-c", KILLED_BETWEEN, str(tmp_path), str(NOON)]
    assert subprocess.run(argv, cwd="/").returncode == -signal.SIGKILL
    with store.read() as db:
        assert reached(db) == 0
    tell(store, NOON + 2)  # the next batch is another one
    assert (move(store, archive, NOON), move(store, archive, NOON)) == (3, 0)
    assert [one.start for one in archive.windows(*EVER)] == [NOON, NOON + 1, NOON + 2]


def test_a_disk_that_is_full_loses_nothing(store: Store, archive: Archive) -> None:
    archive.directory.write_text("no folder")
    tell(store, NOON)
    rounds = Archiving(store, archive, Bounds(30, 1e9), clock := Clock(NOON), lambda _: None)
    with pytest.raises(OSError):
        rounds.round()
    archive.directory.unlink()
    clock.time += archiving.SECONDS
    rounds.round()
    assert len(list(archive.windows(*EVER))) == 1


def test_a_window_of_another_version_stops_no_other(
    store: Store, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    tell(store, NOON, NOON + 1)
    with store.write() as db:
        db.execute("UPDATE windows SET body = ? WHERE id = 1", (b'{"jobmend":99}',))
    assert move(store, archive, NOON) == 2
    assert "is not archived" in caplog.text
    assert [one.start for one in archive.windows(*EVER)] == [NOON + 1]


def test_the_house_is_kept(store: Store, archive: Archive) -> None:
    clock = Clock(NOON)
    rounds = Archiving(store, archive, Bounds(2, 1e9), clock, lambda _: None)
    for number in range(20):
        tell(store, NOON + number)
        rounds.round()
        clock.time += archiving.SECONDS
    clock.time = NOON + archiving.HOUSE_SECONDS
    rounds.round()
    assert len(list(archive.directory.rglob("*.parquet"))) == 1
    clock.time = NOON + 4 * DAY
    rounds.round()
    assert list(archive.windows(*EVER)) == []


def test_the_brain_archives_in_its_round_and_tells(brain: Brain, clock: Clock) -> None:
    made = window(clock.time - 60)
    ingest.take(brain.store, [made], now=clock.time, max_windows=10)
    brain.watcher.round()
    archive = Archive(brain.config.store.archive)
    assert told(archive.windows(0, clock.time)) == told([made])
    (path,) = archive.directory.rglob("*.parquet")
    families = text_string_to_metric_families(brain.metrics.page().decode())
    values = {one.name: one.value for family in families for one in family.samples}
    assert values["jobmend_brain_archive_windows_total"] == 1
    assert values["jobmend_brain_archive_bytes"] == path.stat().st_size
    assert values["jobmend_brain_archive_damaged_files"] == 0
    with sqlite3.connect(brain.config.store.path) as db:
        (left,) = db.execute("SELECT count(*) FROM windows").fetchone()
    db.close()
    assert left == 1  # for judging
