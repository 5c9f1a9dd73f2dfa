from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.jobs.events import EventKind
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.fields import Fields
from jobmend.jobs.wire import MAX_EVENT_BYTES, dumps, read_event
from jobmend.plugins.local.events import event_of, hook_body
from jobmend.plugins.local.exits import (
    LAUNCH_FAILED,
    SUPERVISOR_DIED,
    complaint,
    local_exit,
    shell_code,
)
from jobmend.plugins.local.job import Ending, JobState
from jobmend.plugins.local.mend import abandoned
from jobmend.plugins.local.process import ProcessId
from jobmend.plugins.local.queue import Queue
from jobmend.plugins.local.spec import JobSpec

SPEC = JobSpec(argv=("true",), cwd="/", workflow="w", site="s")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "state") as opened:
        yield opened


def test_the_folder_is_private(queue: Queue, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_another_schema_is_refused(queue: Queue, tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "state/queue.db")
    base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(sqlite3.DatabaseError, match="schema 99, this release reads 1"):
        Queue(tmp_path / "state")


def test_a_job_is_found_by_each_of_its_names(queue: Queue) -> None:
    job = queue.add(SPEC, user="u")
    for word in (job.run, "1", f"any/local/1/{job.run}"):
        assert queue.find(word) == job
    for word in ("2", "x", "a/local/1/b"):
        with pytest.raises(KeyError):
            queue.find(word)


def test_one_token_one_job(queue: Queue) -> None:
    one = queue.add(SPEC, user="u", token="t")
    assert queue.add(SPEC, user="u", token="t") == one
    assert queue.add(SPEC, user="u").run != queue.add(SPEC, user="u").run
    assert len(queue.jobs()) == 3


def test_every_change_is_made_once(queue: Queue) -> None:
    run = queue.add(SPEC, user="u").run
    assert [queue.claim(run, ProcessId(1, 2)), queue.claim(run, ProcessId(3, 4))] == [True, False]
    assert [queue.start(run, (0, 1)), queue.start(run, (0,))] == [True, False]
    assert [queue.hold(run), queue.hold(run)] == [True, False]
    assert [queue.release(run), queue.release(run)] == [True, False]
    assert [queue.cancel(run), queue.cancel(run)] == [True, False]
    ending = Ending(JobState.CANCELLED, 1, None, "r", 5)
    assert [queue.finish(run, ending), queue.finish(run, ending)] == [True, False]
    job = queue.get(run)
    assert (job.supervisor, job.cpus, job.ending) == (ProcessId(1, 2), (0, 1), ending)
    assert not queue.cancel(run) and not queue.hold(run)


def test_what_never_started_ends_when_killed(queue: Queue) -> None:
    run = queue.add(SPEC, user="u").run
    queue.hold(run)
    assert queue.cancel(run)
    job = queue.get(run)
    assert job.state is JobState.CANCELLED and job.ended is not None and job.started is None
    assert not queue.start(run, (0,))


def test_held_jobs_go_back_to_where_they_were(queue: Queue) -> None:
    waiting, going = (queue.add(SPEC, user="u").run for _ in range(2))
    queue.start(going, (0,))
    for run in (waiting, going):
        queue.hold(run)
        queue.release(run)
    assert (queue.state(waiting), queue.state(going)) == (JobState.PENDING, JobState.RUNNING)


def test_first_come_first_served(queue: Queue) -> None:
    first, second = (queue.add(SPEC, user="u").run for _ in range(2))
    assert queue.is_next(first) and not queue.is_next(second)
    queue.hold(first)
    assert queue.is_next(second)


def test_abandoned(queue: Queue) -> None:
    job = queue.add(SPEC, user="u")
    assert not abandoned(job, job.submitted + 59)
    assert abandoned(job, job.submitted + 61)
    queue.claim(job.run, ProcessId(2**22 + 1, 1))  # above the kernel's largest pid
    assert abandoned(queue.get(job.run), job.submitted)


@pytest.mark.parametrize(
    ("ending", "kind", "key", "code"),
    [
        (Ending(JobState.COMPLETED, 0), ExitKind.SUCCESS, "exit:0", 0),
        (Ending(JobState.FAILED, 66), ExitKind.ERROR, "exit:66", 66),
        (Ending(JobState.FAILED, None, 11), ExitKind.SIGNAL, "signal:11", 139),
        (Ending(JobState.FAILED, 139), ExitKind.SIGNAL, "signal:11", 139),
        (Ending(JobState.OUT_OF_MEMORY, None, 9), ExitKind.OUT_OF_MEMORY, "out_of_memory", 137),
        (Ending(JobState.TIMEOUT, None, 15), ExitKind.TIMEOUT, "timeout", 124),
        (Ending(JobState.CANCELLED), ExitKind.CANCELLED, "cancelled", 143),
        (
            Ending(JobState.FAILED, reason=SUPERVISOR_DIED),
            ExitKind.NODE_FAILURE,
            "node_failure",
            70,
        ),
        (
            Ending(JobState.FAILED, reason=LAUNCH_FAILED),
            ExitKind.LAUNCH_FAILURE,
            "launch_failure",
            127,
        ),
    ],
)
def test_exits(ending: Ending, kind: ExitKind, key: str, code: int) -> None:
    told = local_exit(ending)
    assert (told.kind, told.key, told.state) == (kind, key, ending.state.value)
    assert shell_code(ending) == code
    assert bool(complaint(ending)) == (
        kind not in (ExitKind.SUCCESS, ExitKind.ERROR, ExitKind.SIGNAL)
    )


def test_why_a_job_did_not_end_by_itself_is_one_phrase() -> None:
    broken = Ending(JobState.OUT_OF_MEMORY, signal=9, reason="memory limit broken")
    assert complaint(broken) == "out of memory: memory limit broken"


def test_an_event_tells_what_the_queue_knows(queue: Queue) -> None:
    job = queue.add(SPEC, user="u", attempt=2, parent="c/local/1/x")
    queue.finish(job.run, Ending(JobState.FAILED, 3))
    event = event_of(EventKind.END, queue.get(job.run), "c", 1.5, "n")
    assert event.run.key == f"c/local/1/{job.run}"
    assert (event.facts.user, event.facts.attempt, event.facts.parent) == ("u", 2, "c/local/1/x")
    assert event.exit == Exit("local", ExitKind.ERROR, 3, None, "FAILED")
    assert read_event(Fields(hook_body(event), "event")) == event


def test_the_longest_names_fit_into_a_datagram(queue: Queue) -> None:
    wide = "\N{SAUROPOD}"  # 12 bytes as a JSON escape
    spec = JobSpec(("true",), "/", wide * 256, wide * 256, wide * 256, wide * 1024)
    job = queue.add(spec, user="u" * 32)
    event = event_of(EventKind.START, job, "c" * 64, 1.0, "n" * 64)
    assert len(dumps(event)) > MAX_EVENT_BYTES
    told = read_event(Fields(hook_body(event), "event"))
    assert (told.facts.name, told.facts.comment) == (wide * 256, "")
    assert len(dumps(told)) <= MAX_EVENT_BYTES


OPENER = """
import sys, time
from pathlib import Path
from jobmend.plugins.local.queue import Queue
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
with Queue(Path(sys.argv[1])) as queue:
    print(len(queue.jobs()))
"""


def test_many_open_a_new_queue_at_once(tmp_path: Path) -> None:
    for attempt in range(3):
        words = [sys.executable, "-c", OPENER, str(tmp_path / str(attempt)), str(time.time() + 0.7)]
        openers = [
            subprocess.Popen(words, stdout=subprocess.PIPE, cwd="/", text=True) for _ in range(6)
        ]
        assert [opener.communicate()[0] for opener in openers] == ["0\n"] * 6
