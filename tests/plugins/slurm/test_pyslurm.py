"""The reader over pyslurm, on a stand-in with the names that pyslurm documents.

No pyslurm builds for the Slurm that the tests start, so nothing here has seen a real one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from jobmend.jobs.events import EventKind, JobEvent
from jobmend.plugins.scheduler import SchedulerError
from jobmend.plugins.slurm.scheduler import SlurmScheduler

# Of pyslurm.db: JobFilter with its keywords, Jobs.load, and a Job's attributes.
MODULE = """
__version__ = "25.11.2"
JOB = dict(
    id=10, array_id=None, array_task_id=None, array_tasks_waiting=None, name="reco",
    user_name="ada", account="acct", partition="main", state="FAILED", exit_code=3,
    exit_code_signal=0, cancelled_by=None,
    submit_time={end} - 20, start_time={end} - 10, end_time={end}, memory=400,
    num_nodes=2, time_limit=60, cpus=4, comment="x|y", wckey="*", requeue_count=0,
)
ASKED = []


class Job:
    def __init__(self, **changes):
        vars(self).update({{**JOB, **changes}})


class db:
    class JobFilter:
        def __init__(self, **kwargs):
            ASKED.append(kwargs)

    class Jobs:
        @staticmethod
        def load(db_filter):
            {load}
"""
LOAD = """return [
                Job(),
                Job(id=11, array_id=4, array_task_id=2, state="CANCELLED", cancelled_by="root"),
                Job(id=12, state="RUNNING", end_time=None, time_limit="PartitionLimit"),
                Job(id=13, requeue_count=1),
            ]"""
SACCT = """#!/bin/sh
case $1 in
--helpformat) exit 0 ;;
--version) echo slurm-wlm {version}; exit 0 ;;
esac
case "$*" in *--allocations*) ;; *) exit 0 ;; esac  # no steps
for word; do case $word in --delimiter=*) delimiter=${{word#*=}} ;; esac; done
for word; do case $word in --jobs=13) sed "s/@/$delimiter/g" {folder}/rows ;; esac; done
"""


@pytest.fixture
def now() -> int:
    return int(time.time())


def scheduler(
    folder: Path,
    now: int,
    monkeypatch: pytest.MonkeyPatch,
    version: str = "25.11.1",
    load: str = LOAD,
) -> SlurmScheduler:
    """A plugin whose pyslurm and sacct are stand-ins."""
    (folder / "pyslurm.py").write_text(MODULE.format(end=now, load=load))
    cells = ["13", "13", "reco", "ada", "acct", "main", "REQUEUED", "3:0"]
    rows = []
    for state, offset in (("REQUEUED", 100), ("FAILED", 0)):
        cells[6] = state
        times = [str(now - offset - before) for before in (20, 10, 0)]
        row = [*cells, *times, "1G", "1", "1", "60", "", ""]
        rows.append("".join(f"{cell}@" for cell in row) + "\n")
    (folder / "rows").write_text("".join(rows))
    sacct = folder / "sacct"
    sacct.write_text(SACCT.format(version=version, folder=folder))
    sacct.chmod(0o755)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "pyslurm", raising=False)
    return SlurmScheduler("testbed", bin_dir=str(folder), reader="pyslurm")


def ends(told: list[JobEvent]) -> dict[str, JobEvent]:
    return {
        event.run.key.removeprefix("testbed/slurm/"): event
        for event in told
        if event.kind is EventKind.OUTCOME
    }


def test_its_jobs_are_told_and_requeued_ones_are_asked_of_sacct(
    tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = scheduler(tmp_path, now, monkeypatch)
    told = list(plugin.history(now - 60))
    found = ends(told)
    assert set(found) == {"10/0", "11/0", "13/0", "13/1"}
    failed, cancelled = found["10/0"], found["11/0"]
    assert failed.exit is not None and failed.exit.key == "exit:3"
    assert failed.facts.workflow == "ada/x|y" and failed.facts.site == "main"
    assert failed.facts.request.memory_bytes == 200 * 2**20
    assert failed.facts.request.walltime_seconds == 3600.0
    assert cancelled.exit is not None and cancelled.exit.reason == "by root"
    (running,) = [event for event in told if event.run.job_id == "12"]
    assert running.kind is EventKind.START and running.facts.request.walltime_seconds is None
    assert plugin._addresses["11"] == "4_2"


def test_it_asks_for_this_cluster_and_time(
    tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(scheduler(tmp_path, now, monkeypatch).history(now - 3600, now))
    (asked,) = sys.modules["pyslurm"].ASKED
    assert asked == {"clusters": ["testbed"], "start_time": now - 3660, "end_time": now}


def test_where_pyslurm_is_missing_one_sentence_says_so(
    tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = scheduler(tmp_path, now, monkeypatch)
    monkeypatch.setitem(sys.modules, "pyslurm", None)
    with pytest.raises(SchedulerError, match="cannot be imported .* Slurm 25.11, or set reader"):
        plugin.history(0)


def test_one_that_is_made_for_another_release_is_refused(
    tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = scheduler(tmp_path, now, monkeypatch, version="22.05.8")
    with pytest.raises(SchedulerError, match="pyslurm 25.11.2 is made for another .* Slurm 22.05"):
        plugin.history(0)


def test_its_errors_are_the_scheduler_s(
    tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = scheduler(tmp_path, now, monkeypatch, load="raise RuntimeError('dbd away')")
    with pytest.raises(SchedulerError, match="pyslurm: dbd away") as caught:
        list(plugin.history(now - 60))
    assert caught.value.transient
