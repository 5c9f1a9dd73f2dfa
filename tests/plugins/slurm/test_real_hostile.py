"""Job names, comments and wckeys that were written to do harm, on a real Slurm.

Every action is carried out on such jobs. None of their words may reach a command: what is run is
noted and looked at word by word, and a canary that they all try to make is never made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.plugins.scheduler import Step
from tests.plugins.slurm.watched import Watched

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

LONGEST = 1023  # characters that Slurm 22.05 takes of each
CANARY = "/tmp/jobmend-canary"
HARM = f"touch {CANARY}"
HOSTILE = (
    f"$({HARM})`{HARM}`",
    f"; {HARM}; | {HARM} & {HARM} #",
    f'"; {HARM}; "',
    f"'; {HARM}; '",
    f"\n{HARM}\n#SBATCH --uid=0\r\n",
    "--uid=root -h JobId=1 Partition=siteA Nice=-99999 UserId=0",
    f"{{address}} {{user}} %j %u $IFS ${{PATH}} * ~ \\\n \x1b[2J \x07 {HARM}",
    "',1); DROP TABLE testbed_job_table; --",
    "\udcff\udcfe\u202e<script>\u2028|<",
    f"$({HARM});".ljust(LONGEST, "x"),
)
# All that may stand in a command of ours.
PLAIN = re.compile(r"[A-Za-z0-9_,=/{}.+\[\]-]+")

FAILS_ONCE = '[ -n "$SLURM_RESTART_COUNT" ]'
LONG_TWICE = '[ "${SLURM_RESTART_COUNT:-0}" -ge 2 ] || sleep 300'


@pytest.fixture
def canary(slurm: Cluster) -> Iterator[Path]:
    """A file that must not be there at the end, and a job nobody may touch."""
    bystander = slurm.submit("exit 3", "--comment=bystander")
    slurm.wait(bystander, "FAILED")
    path = Path(CANARY)
    path.unlink(missing_ok=True)
    yield path
    made = path.exists()
    path.unlink(missing_ok=True)
    assert not made, "a job's words were carried out"
    assert slurm.state(bystander) == "FAILED"
    assert slurm.run("sacct", "-nXPo", "Partition", "-j", bystander) == "main"


def submitted(slurm: Cluster, script: str, state: str) -> list[str]:
    jobs = []
    for words in HOSTILE:
        options = (f"--job-name={words}", f"--comment={words}", f"--wckey={words}")
        jobs.append(slurm.submit(script, *options))
    for job_id in jobs:
        slurm.wait(job_id, state)
    return jobs


def plain(steps: list[Step]) -> list[Step]:
    assert steps
    for step in steps:
        assert all(PLAIN.fullmatch(word) for word in step.argv), step.argv
        assert step.purpose.isascii() and step.purpose.isprintable()
    return steps


@pytest.mark.usefixtures("canary")
def test_failed_jobs_are_mended_whatever_they_are_called(slurm: Cluster, tmp_path: Path) -> None:
    watched = Watched(slurm, tmp_path)
    jobs = submitted(slurm, FAILS_ONCE, "FAILED")
    changed = Action(ActionKind.RECOVER, memory_bytes=150 * 2**20, sites_avoid=("siteA",))
    for attempt, action in enumerate((changed, Action(ActionKind.CLONE))):
        records = watched.records(*jobs, attempt=attempt)
        steps = plain(watched.scheduler.plan(action, records))
        assert len(steps) == 3  # alike, and so in the same commands
        runs = watched.carry_out(steps)
        assert {run.job_id for run in runs} == set(jobs)
        for job_id in jobs:
            slurm.wait(job_id, "COMPLETED")
    last = watched.records(*jobs, attempt=2)
    assert all(record.succeeded for record in last)
    assert all(record.facts.request.memory_bytes == 150 * 2**20 for record in last)


@pytest.mark.usefixtures("canary")
def test_running_jobs_are_held_released_repeated_and_killed(slurm: Cluster, tmp_path: Path) -> None:
    watched = Watched(slurm, tmp_path)
    jobs = submitted(slurm, LONG_TWICE, "RUNNING")
    attempts = (
        (ActionKind.HOLD, 0, False, "PENDING"),
        (ActionKind.RELEASE, 0, True, "RUNNING"),
        (ActionKind.KILL, 1, False, "CANCELLED"),
        (ActionKind.RESUBMIT, 1, True, "COMPLETED"),
    )
    for kind, attempt, ended, state in attempts:
        records = watched.records(*jobs, attempt=attempt, ended=ended)
        watched.carry_out(plain(watched.scheduler.plan(Action(kind), records)))
        for job_id in jobs:
            slurm.wait(job_id, state)
    assert all(record.succeeded for record in watched.records(*jobs, attempt=2))


@pytest.mark.usefixtures("canary")
def test_the_sites_command_gets_none_of_their_words(slurm: Cluster, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    program = tmp_path / "split"
    user = "setpriv --reuid=tester --regid=tester --init-groups"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >>{calls}\n'
        f"exec {user} sbatch --parsable --output=/dev/null --chdir=/ --wrap=true\n"
    )
    program.chmod(0o755)
    watched = Watched(slurm, tmp_path, (str(program), "{address}", "{splitting}", "{user}"))
    jobs = submitted(slurm, "exit 3", "FAILED")
    steps = watched.scheduler.plan(Action(ActionKind.RECOVER, splitting=2), watched.records(*jobs))
    runs = watched.carry_out(plain(steps))
    assert len(runs) == len(jobs)
    assert calls.read_text().split("\n")[:-1] == [
        word for job in jobs for word in (job, "2", "tester")
    ]
    for run in runs:
        slurm.wait(run.job_id, "COMPLETED")


def test_slurm_takes_no_words_of_64_kilobytes(slurm: Cluster) -> None:
    for option in ("job-name", "comment", "wckey"):
        slurm.run("scancel", slurm.submit("true", f"--{option}={'x' * LONGEST}", "--hold"))
        with pytest.raises(AssertionError, match="parameter too long"):
            slurm.submit("true", f"--{option}={'x' * 65000}")
