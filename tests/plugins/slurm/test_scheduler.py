"""What the plugin asks of sacct, by a stand-in with real files; the rest is on a real Slurm."""

from __future__ import annotations

import calendar
import math
import os
import time
from pathlib import Path

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.jobs.events import EventKind, JobFacts
from jobmend.jobs.identity import Run
from jobmend.jobs.records import RunRecord
from jobmend.plugins.scheduler import SchedulerError
from jobmend.plugins.slurm.pipe import stream
from jobmend.plugins.slurm.reader import slices
from jobmend.plugins.slurm.scheduler import SlurmScheduler

# Notes its arguments and prints the rows in `rows`, where @ stands for the delimiter.
SACCT = """#!/bin/sh
[ "$1" != --helpformat ] || exit 0
case "$*" in *--state=*) exit 0 ;; esac  # no job ended without having run
echo "$*" >>{folder}/calls
for word; do case $word in --delimiter=*) delimiter=${{word#*=}} ;; esac; done
sed "s/@/$delimiter/g" {folder}/rows
"""


def cluster(folder: Path, *rows: str) -> SlurmScheduler:
    (folder / "rows").write_text("".join(f"{row}\n" for row in rows))
    return stand_in(folder, SACCT.format(folder=folder))


def stand_in(folder: Path, script: str) -> SlurmScheduler:
    for name, text in (("sacct", script), ("squeue", "#!/bin/sh\n")):
        program = folder / name
        program.write_text(text)
        program.chmod(0o755)
    return SlurmScheduler("testbed", bin_dir=str(folder))


def row(job_id: str, address: str, ended: float, state: str = "FAILED") -> str:
    times = [str(int(ended) - 20), str(int(ended) - 10), str(int(ended))]
    if state == "RUNNING":
        times[2] = "Unknown"
    cells = [job_id, address, "reco", "tester", "acct", "main", state, "3:0", *times]
    return "".join(cell + "@" for cell in [*cells, "1G", "1", "1", "60", "", ""])


def asked(folder: Path, option: str) -> list[float]:
    """The times that were asked for, in seconds since the epoch."""
    words = (folder / "calls").read_text().split()
    told = [word.partition("=")[2] for word in words if word.startswith(f"--{option}=")]
    return [calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")) for text in told]


def test_a_new_plugin_looks_back_for_addresses_and_tells_only_what_was_asked(
    tmp_path: Path,
) -> None:
    now = time.time()
    scheduler = cluster(tmp_path, row("10", "4_2", now - 3600))
    assert list(scheduler.history(now - 5)) == []
    assert list(scheduler.history(now - 5)) == []
    first, second = asked(tmp_path, "starttime")
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


def test_a_long_time_is_asked_for_day_by_day_and_each_end_told_once(tmp_path: Path) -> None:
    now = float(int(time.time()))
    ends = [now - 86400 * days for days in (3.5, 2.0, 1.25)]
    rows = [row(str(number), str(number), end) for number, end in enumerate(ends, 1)]
    scheduler = cluster(tmp_path, *rows, row("9", "9", now, "RUNNING"))
    told = list(scheduler.history(now - 4 * 86400, now))
    assert [event.run.job_id for event in told if event.kind is EventKind.OUTCOME] == [
        "1",
        "2",
        "3",
    ]
    assert len(told) == 6  # the stand-in prints all rows each time, and 9 has not ended
    assert len(asked(tmp_path, "starttime")) == len(asked(tmp_path, "endtime")) == 5
    live = list(scheduler.history(now - 4 * 86400))
    assert {event.run.job_id for event in live} == {"1", "2", "3", "9"} and len(live) == 7


@pytest.mark.parametrize("until", [math.inf, 999_000.0])
def test_slices_cover_the_time_without_a_gap(until: float) -> None:
    now = 1_000_000.0
    found = list(slices(100.0, until, now, 86400.0))
    assert found[0][0] == 100.0 and found[-1][1] == until
    assert all(one[1] == other[0] for one, other in zip(found, found[1:]))
    assert len(found) == 12
    assert len(list(slices(0.0, math.inf, 1e9, 86400.0))) == 367  # what is older is one slice
    assert list(slices(until, until, now, 86400.0)) == []


def test_a_command_that_nobody_reads_on_is_ended(tmp_path: Path) -> None:
    program = tmp_path / "endless"
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec yes\n")
    program.chmod(0o755)
    pieces = stream([str(program)], {"PATH": os.environ["PATH"]})
    assert next(pieces).startswith("y\n")
    pieces.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_command_that_falls_silent_is_ended_and_may_be_tried_again() -> None:
    pieces = stream(["sh", "-c", "printf x; exec sleep 30"], {"PATH": os.environ["PATH"]}, 0.2)
    assert next(pieces) == "x"
    with pytest.raises(SchedulerError, match="sh said nothing for 0.2 s") as caught:
        next(pieces)
    assert caught.value.transient


def test_an_answer_that_is_cut_is_an_error_that_may_pass(tmp_path: Path) -> None:
    scheduler = cluster(tmp_path, row("10", "10", time.time())[:-30])
    with pytest.raises(SchedulerError, match="cells, which are no rows of 17") as caught:
        list(scheduler.history(0))
    assert caught.value.transient


FAILING = """#!/bin/sh
[ "$1" != --helpformat ] || exit 0
echo '{words}' >&2
exit 1
"""


@pytest.mark.parametrize(
    ("words", "problem", "transient"),
    [
        ("Slurm accounting storage is disabled", "keeps no accounting; run slurmdbd", False),
        ("sacct: error: Problem talking to the database: refused", "exited 1: sacct: error", True),
        ("\x1b[2J", "exited 1: \N{REPLACEMENT CHARACTER}", False),
    ],
)
def test_what_sacct_says_when_it_fails_is_told_with_the_cure(
    words: str, problem: str, transient: bool, tmp_path: Path
) -> None:
    scheduler = stand_in(tmp_path, FAILING.format(words=words))
    with pytest.raises(SchedulerError, match=problem) as caught:
        list(scheduler.history(0))
    assert caught.value.transient is transient and "\x1b" not in str(caught.value)


def test_a_reader_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'sql' is none of sacct, rest, pyslurm"):
        SlurmScheduler("testbed", reader="sql")
    with pytest.raises(ValueError, match="needs the address, user and token file"):
        SlurmScheduler("testbed", reader="rest")
