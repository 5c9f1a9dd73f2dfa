"""The past, read in slices from now backwards: each once, through failures and kill -9."""

from __future__ import annotations

import json
import math
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from jobmend.brain import outages, runs, workflows
from jobmend.brain.backfill import BATCH, SLICE_SECONDS, UnknownScheduler
from jobmend.brain.brain import Brain, assemble
from jobmend.brain.cli.program import main
from jobmend.brain.polling import FIRST_SECONDS
from jobmend.jobs.events import JobEvent
from jobmend.plugins.local.queue import Queue
from jobmend.plugins.local.spec import new_spec
from jobmend.plugins.scheduler import Nodes, Outage, SchedulerError
from tests.brain.process import Process
from tests.brain.scene import BUG, NOW, OK, OOM, Clock, MemoryScheduler, config_of, ended, run_of

DAY = 86400.0
KEY = ("c1", "memory")


def read_back(brain: Brain, days: float) -> int:
    """Order until it is done; how many events were new."""
    new = 0
    while True:
        progress = brain.backfill.step(KEY, NOW - days * DAY)
        new += progress.accepted
        if progress.done:
            return new


def job_each(hours: float, days: float) -> list[JobEvent]:
    """One run every so many hours, the first an hour ago."""
    times = [NOW - 3600 - n * hours * 3600 for n in range(int(days * 24 / hours))]
    return [event for job, at in enumerate(times) for event in ended(job, OK, time=at)]


def test_what_was_read_is_not_read_again(brain: Brain, scheduler: MemoryScheduler) -> None:
    scheduler.events = job_each(hours=6, days=4)
    assert read_back(brain, days=2) == 16
    assert scheduler.asked == [NOW - (n + 1) * SLICE_SECONDS for n in range(8)]
    assert read_back(brain, days=2) == 0
    assert len(scheduler.asked) == 8
    assert read_back(brain, days=3) == 8, "further back it goes on from there"
    assert brain.backfill.step(KEY, NOW - DAY).done


def test_a_slice_that_failed_is_read_again(brain: Brain, scheduler: MemoryScheduler) -> None:
    scheduler.events = job_each(hours=6, days=1)
    brain.backfill.step(KEY, NOW - DAY)
    scheduler.history_error = SchedulerError("sacct gave no answer", transient=True)
    with pytest.raises(SchedulerError):
        brain.backfill.step(KEY, NOW - DAY)
    scheduler.history_error = None
    progress = brain.backfill.step(KEY, NOW - DAY)
    assert (progress.begun, progress.reached) == (NOW, NOW - 2 * SLICE_SECONDS)
    with pytest.raises(UnknownScheduler, match="no slurm scheduler of cluster c9"):
        brain.backfill.step(("c9", "slurm"), NOW - DAY)


def test_the_past_is_no_news_and_the_present_is(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock
) -> None:
    old, new = NOW - FIRST_SECONDS - DAY, NOW - FIRST_SECONDS + DAY
    scheduler.events = [
        *ended(1, OOM, time=old, workflow="old"),
        *ended(2, OOM, time=new, workflow="new"),
    ]
    read_back(brain, days=20)
    clock.time += 60
    with brain.store.read() as db:
        due = [it.name for it in workflows.due(db, clock.time, 30, 3600)]
        counted = {it.workflow.name: it.changed for it in workflows.counts(db, 9)}
        newest = [record.run for record in runs.newest(db, 9)]
    assert due == ["new"]
    assert counted == {"old": old, "new": NOW}
    assert newest == [run_of(2), run_of(1)]
    scheduler.events += ended(3, BUG, time=NOW - 10, workflow="old")
    brain.watcher.round()
    clock.time += 60
    with brain.store.read() as db:
        assert "old" in [it.name for it in workflows.due(db, clock.time, 30, 3600)]


def test_the_outages_of_the_past_come_with_it(brain: Brain, scheduler: MemoryScheduler) -> None:
    past = Outage("n1", NOW - 9 * DAY, NOW - 8 * DAY, "DOWN")
    scheduler.told_nodes = Nodes({"s1": ("n1",)}, (past,))
    read_back(brain, days=10)
    assert scheduler.nodes_asked == [NOW - 10 * DAY]
    with brain.store.read() as db:
        assert outages.between(db, "c1", 0, math.inf) == [past]


def test_a_long_history_is_not_held_in_memory(tmp_path: Path, clock: Clock) -> None:
    """When an event is told, all but the last batch of those before it are in the store."""
    behind: list[int] = []

    class Long(MemoryScheduler):
        def history(self, since: float, until: float = math.inf) -> Iterable[JobEvent]:
            for job in range(1500):
                with brain.store.read() as db:
                    (stored,) = db.execute("SELECT count(*) FROM events").fetchone()
                behind.append(2 * job - stored)
                yield from ended(job, OK, time=NOW - 100)

    brain = assemble(config_of(tmp_path), {KEY: Long()}, clock)
    assert brain.backfill.step(KEY, NOW - 3600).accepted == 3000
    assert max(behind) < BATCH
    brain.store.close()


# ---- a real process with a real queue ----------------------------------------------------------

JOBS = 3000


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """A brain beside a local queue whose jobs ended in the last forty days."""
    queue = tmp_path / "queue"
    now = time.time()
    with Queue(queue) as jobs:
        jobs._base.execute("BEGIN")
        for number in range(JOBS):
            run = jobs.add(
                new_spec(["true"], workflow=f"w{number % 7}", variables=()), user="u"
            ).run
            end = now - 8 * DAY - 32 * DAY * number / JOBS
            jobs._base.execute(
                "UPDATE jobs SET state = 'COMPLETED', exit_code = 0, started = ?, ended = ?"
                " WHERE run = ?",
                (end - 10, end, run),
            )
        jobs._base.execute("COMMIT")
    table = f"[schedulers.local]\ncluster = 'here'\nstate_dir = '{queue}'\n"
    process = Process(tmp_path, table, JOBMEND_CGROUP_ROOT=str(tmp_path / "no-cgroups"))
    yield process
    process.close()


def command(process: Process, *words: str) -> Callable[[], tuple[int, str, str]]:
    env = {
        "JOBMEND_URL": process.url,
        "JOBMEND_TOKEN_FILE": str(process.folder / "tokens" / "operator"),
    }

    def call() -> tuple[int, str, str]:
        result = CliRunner().invoke(main, ["backfill", *words], env=env)
        return result.exit_code, result.stdout, result.stderr

    return call


def reached(process: Process) -> float | None:
    with sqlite3.connect(process.folder / "brain.db") as db:
        row = db.execute("SELECT reached FROM backfills").fetchone()
    db.close()
    return row[0] if row else None


def test_a_backfill_goes_on_after_kill_9_and_each_event_is_there_once(process: Process) -> None:
    process.start()
    first = command(process, "--days", "41")
    answers: list[tuple[int, str, str]] = []
    caller = threading.Thread(target=lambda: answers.append(first()))
    caller.start()
    deadline = time.monotonic() + 200
    while (cursor := reached(process)) is None or cursor > time.time() - 15 * DAY:
        assert time.monotonic() < deadline and caller.is_alive(), answers
        time.sleep(0.01)
    process.end(signal.SIGKILL)
    caller.join()
    assert answers[0][0] == 3, "no brain answers any more"
    left = reached(process)
    assert left is not None and left > time.time() - 40 * DAY, "killed in the middle"

    process.start()
    assert reached(process) == left
    code, out, err = command(process, "--days", "41", "--json", "--scheduler", "here/local")()
    assert code == 0, err
    (summary,) = json.loads(out)["schedulers"]
    assert 0 < summary["accepted"] < 2 * JOBS, "what was read before the kill is not read again"
    process.end(signal.SIGTERM)
    with sqlite3.connect(process.folder / "brain.db") as db:
        assert db.execute("SELECT count(*) FROM events").fetchone()[0] == 2 * JOBS
        assert db.execute("SELECT count(DISTINCT key) FROM runs").fetchone()[0] == JOBS
    db.close()


def test_what_is_wrong_with_an_order_is_said(process: Process) -> None:
    process.start()
    code, _, err = command(process, "--days", "1", "--scheduler", "there/slurm")()
    assert (code, "there/slurm is none of here/local" in err) == (2, True)
    order = {"cluster": "there", "scheduler": "slurm", "since": 0}
    url, operator = f"{process.url}/api/v1/backfill", process.header_of("operator")
    assert httpx2.post(url, json=order, headers=operator, timeout=60).status_code == 404
    assert (
        httpx2.post(url, json={**order, "since": -1}, headers=operator, timeout=60).status_code
        == 422
    )
    assert httpx2.post(url, json=order, headers=process.headers, timeout=60).status_code == 401
    code, out, err = command(process, "--days", "1")()
    assert (code, out.splitlines()[0].split("\t")[0]) == (0, "SCHEDULER")
    assert "here/local" in err, "progress is talk"
