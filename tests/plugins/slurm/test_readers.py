"""Each reader on a real Slurm: the same rows, whatever users write into names and comments."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.events import EventKind
from jobmend.plugins.slurm.accounting import Row
from jobmend.plugins.slurm.scheduler import SlurmScheduler

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

READERS = ("sacct", "rest")
CANARY = Path("/tmp/jobmend-canary")
# The longest there can be: Slurm 22.05 refuses more, at submission and in an update.
LONGEST = 1023
WORDS = {
    "delimiters": "a|b;c,d\te\x1f\x1e<>",
    "newlines": "x\ny\r\nz\n",
    "quotes": "'\"`\\'",
    "controls": "\x01\x1b[2J\x7f",
    "shell": f"$(touch {CANARY}); `touch {CANARY}` & | > {CANARY}",
    "patterns": "%s%n%j %% * ?",
    "words of Slurm": "Unknown (null) None",
    "blanks": " lead trail ",
    "characters": "caf\u00e9 \u202e \N{PILE OF POO}",
    "no UTF-8": os.fsdecode(b"\xff\xfe caf\xe9"),
    "length": "n" * LONGEST,
}
OPTIONS = ("--job-name", "--comment", "--wckey")


@pytest.fixture(scope="module")
def hostile(slurm: Cluster) -> Iterator[dict[tuple[str, str], str]]:
    """A job for each word and option, ended; their ids."""
    CANARY.unlink(missing_ok=True)
    ids = {
        (name, option): slurm.submit("exit 0", f"{option}={word}")
        for name, word in WORDS.items()
        for option in OPTIONS
    }
    for job_id in ids.values():
        slurm.wait(job_id, "COMPLETED")
    yield ids
    CANARY.unlink(missing_ok=True)


def rows_of(slurm: Cluster, reader: str, job_ids: set[str]) -> dict[str, Row]:
    """What a reader tells of the jobs, once accounting has the ends of all."""
    scheduler = slurm.scheduler(reader=reader)
    deadline = time.monotonic() + 120
    while True:
        read = scheduler._reader.active(time.time() - 600, math.inf)
        rows = {row.job_id: row for row in read if row.job_id in job_ids}
        if set(rows) == job_ids and all(row.ended and row.whole for row in rows.values()):
            return rows
        assert time.monotonic() < deadline, job_ids - set(rows)
        time.sleep(0.3)


def test_no_word_of_a_user_changes_a_row(
    slurm: Cluster, hostile: dict[tuple[str, str], str]
) -> None:
    by_sacct, by_rest = (rows_of(slurm, reader, set(hostile.values())) for reader in READERS)
    for (name, option), job_id in hostile.items():
        row = by_sacct[job_id]
        assert (row.state, row.code, row.user, row.partition) == ("COMPLETED", 0, "tester", "main")
        told = {"--job-name": row.name, "--comment": row.comment, "--wckey": row.wckey}[option]
        if name in ("delimiters", "newlines", "shell", "patterns", "blanks"):
            assert told == WORDS[name], (name, option)
        assert told, (name, option)
        # The rest of a row is the same too, but for restarts, which sacct does not tell.
        other = dataclasses.replace(by_rest[job_id], restarts=None)
        assert other == dataclasses.replace(row, signal=row.signal or None)
    assert not CANARY.exists()


@pytest.mark.parametrize("option", OPTIONS)
def test_longer_words_are_refused_by_slurm(slurm: Cluster, option: str) -> None:
    for size in (LONGEST + 2, 64 * 1024):
        with pytest.raises(AssertionError, match="parameter too long"):
            slurm.submit("exit 0", f"{option}={'n' * size}")


@pytest.mark.parametrize("reader", READERS)
def test_every_row_becomes_events_that_the_brain_can_read(
    slurm: Cluster, hostile: dict[tuple[str, str], str], reader: str
) -> None:
    rows_of(slurm, reader, set(hostile.values()))
    told = list(slurm.scheduler(reader=reader).history(time.time() - 600))
    ended = {event.run.job_id: event for event in told if event.kind is EventKind.OUTCOME}
    assert set(hostile.values()) <= set(ended)
    assert all(event.facts.workflow.startswith("tester/") for event in ended.values())


def test_both_readers_tell_the_same_of_requeues_arrays_and_failures(slurm: Cluster) -> None:
    array = slurm.submit("exit $((SLURM_ARRAY_TASK_ID - 1))", "--array=1-3")
    crash = slurm.submit("kill -SEGV $$")
    again = slurm.submit('[ -n "$SLURM_RESTART_COUNT" ] || exit 3; exit 4')
    twice = slurm.submit("exit 0")
    slurm.wait(again, "FAILED")
    slurm.wait(twice, "COMPLETED")
    for job_id in (again, twice):
        slurm.run("scontrol", "requeuehold", job_id)
        slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now+2")
        slurm.run("scontrol", "release", job_id)
    slurm.wait(again, "FAILED")
    slurm.wait(twice, "COMPLETED")
    slurm.wait(crash, "FAILED")
    for task, state in (("1", "COMPLETED"), ("2", "FAILED"), ("3", "FAILED")):
        slurm.wait(f"{array}_{task}", state)
    jobs = {again, twice, crash, *slurm.raw_ids(array)}
    by_sacct, by_rest = (ends(slurm.scheduler(reader=reader), jobs) for reader in READERS)
    assert by_sacct[again, "0"] == "exit:3" and by_sacct[again, "1"] == "exit:4"
    assert by_sacct[twice, "0"] == by_sacct[twice, "1"] == "exit:0"
    # slurmrestd 22.05 tells no code, and a requeue overwrote the state.
    assert by_rest == {**by_sacct, (again, "0"): "unknown", (twice, "0"): "unknown"}
    assert by_sacct[crash, "0"] == "signal:11"
    assert sorted(by_sacct[raw, "0"] for raw in slurm.raw_ids(array)) == [
        "exit:0",
        "exit:1",
        "exit:2",
    ]


def until_queued(slurm: Cluster, jobs: set[str]) -> None:
    """Wait until history tells that these jobs wait."""
    deadline = time.monotonic() + 120
    while True:
        history = slurm.scheduler().history(time.time() - 600)
        told = {event.run.job_id for event in history if event.kind is EventKind.QUEUED}
        if jobs <= told:
            return
        assert time.monotonic() < deadline, told
        time.sleep(0.5)


def test_a_job_that_could_never_run_is_told_to_wait_and_to_be_cancelled(slurm: Cluster) -> None:
    held = slurm.submit("exit 0", "--hold")
    later = slurm.submit("exit 0", "--begin=now+1hour")
    failed = slurm.submit("exit 3")
    never = slurm.submit("exit 0", f"--dependency=afterok:{failed}", "--kill-on-invalid-dep=yes")
    until_queued(slurm, {held, later})
    slurm.run("scancel", held, later)
    slurm.wait(never, "CANCELLED")
    deadline = time.monotonic() + 120
    while True:
        history = list(slurm.scheduler().history(time.time() - 600))
        ended = [event for event in history if event.kind is EventKind.OUTCOME]
        told = [event for event in ended if event.run.job_id in (held, later, never)]
        if {event.run.job_id for event in told} == {held, later, never}:
            break
        assert time.monotonic() < deadline, told
        time.sleep(0.5)
    assert len(told) == 3
    assert {event.exit.key for event in told if event.exit} == {"cancelled"}


def ends(scheduler: SlurmScheduler, jobs: set[str]) -> dict[tuple[str, str], str]:
    """The exits of all runs of the jobs, by job id and run, once all are told."""
    deadline = time.monotonic() + 120
    while True:
        told = {
            (event.run.job_id, event.run.run): event.exit.key
            for event in scheduler.history(time.time() - 600)
            if event.exit is not None and event.run.job_id in jobs
        }
        if len(told) == len(jobs) + 2 and {job_id for job_id, _ in told} == jobs:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.5)
