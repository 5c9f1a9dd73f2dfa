"""What the plugin asks of sacct, by a stand-in with real files; the rest is on a real Slurm."""

from __future__ import annotations

import calendar
import time
from pathlib import Path

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import JobFacts
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.scheduler import SchedulerError
from jobmend.plugins.slurm.scheduler import SlurmScheduler

# Notes its arguments and prints the rows in `rows`, where @ stands for the delimiter.
SACCT = """#!/bin/sh
[ "$1" != --helpformat ] || exit 0
echo "$*" >>{folder}/calls
for word; do case $word in --delimiter=*) delimiter=${{word#*=}} ;; esac; done
sed "s/@/$delimiter/g" {folder}/rows
"""


def cluster(folder: Path, *rows: str) -> SlurmScheduler:
    program = folder / "sacct"
    program.write_text(SACCT.format(folder=folder))
    program.chmod(0o755)
    (folder / "rows").write_text("".join(f"{row}\n" for row in rows))
    return SlurmScheduler("testbed", bin_dir=str(folder))


def row(job_id: str, address: str, ended: float) -> str:
    times = [str(int(ended) - 20), str(int(ended) - 10), str(int(ended))]
    cells = [job_id, address, "reco", "tester", "acct", "main", "FAILED", "3:0", *times]
    return "".join(cell + "@" for cell in [*cells, "1G", "1", "1", "60", "", ""])


def starts(folder: Path) -> list[float]:
    """The start times that were asked for, in seconds since the epoch."""
    words = (folder / "calls").read_text().split()
    asked = [word.partition("=")[2] for word in words if word.startswith("--starttime=")]
    return [calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")) for text in asked]


def test_a_new_plugin_looks_back_for_addresses_and_tells_only_what_was_asked(
    tmp_path: Path,
) -> None:
    now = time.time()
    scheduler = cluster(tmp_path, row("10", "4_2", now - 3600))
    assert scheduler.history(now - 5) == []
    assert scheduler.history(now - 5) == []
    first, second = starts(tmp_path)
    assert first == pytest.approx(now - 86400, abs=5)
    assert second == pytest.approx(now - 65, abs=5)
    record = RunRecord(Run("testbed", "slurm", "10", "0"), JobFacts(), started=1.0)
    (step,) = scheduler.plan(Action(ActionKind.KILL), [record])
    assert step.argv == ("scancel", "4_2")


def test_the_jobs_that_were_active_are_asked_for_again_with_all_their_rows(tmp_path: Path) -> None:
    now = time.time()
    scheduler = cluster(tmp_path, row("10", "10", now - 3600), row("11", "11", now))
    assert {event.run.job_id for event in scheduler.history(now - 5)} == {"11"}
    assert (tmp_path / "calls").read_text().split()[-1] == "--jobs=11"


def test_an_answer_that_is_cut_is_an_error_that_may_pass(tmp_path: Path) -> None:
    scheduler = cluster(tmp_path, row("10", "10", time.time())[:-30])
    with pytest.raises(SchedulerError, match="cells, which are no rows of 17") as caught:
        scheduler.history(0)
    assert caught.value.transient
