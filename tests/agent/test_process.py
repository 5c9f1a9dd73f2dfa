"""A job that begins and ends between two scrapes is on the page and in the spool, measured."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.cgroups import hierarchies
from jobmend.agent.config import Config
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from tests.agent.running import CGROUPS, Running, make_cgroup, remove_cgroup, running, until

pytestmark = pytest.mark.cgroup

ULID = "01KAJ7Z9V4M8Q2W3E5R6T7Y8Z9"
PERIOD = 0.1
SECONDS = 2.0
# A core is busy until two seconds are over, then the job fails.
JOB = (
    f"import time\nend = time.monotonic() + {SECONDS}\nwhile time.monotonic() < end: pass\nexit(3)"
)


@pytest.fixture
def agent(config: Config, tmp_path: Path) -> Iterator[Running]:
    """One that waits for a late hook, and shows the last numbers, long enough to be read."""
    patient = dataclasses.replace(
        config,
        sample=dataclasses.replace(
            config.sample, period_seconds=PERIOD, slow_seconds=PERIOD, cgroup_root=str(CGROUPS)
        ),
        hooks=dataclasses.replace(config.hooks, grace_seconds=60),
        metrics=dataclasses.replace(config.metrics, totals_ttl_seconds=600),
    )
    with running(patient, tmp_path) as started:
        yield started


@pytest.fixture
def cgroups() -> Iterator[list[Path]]:
    """Where the job's cgroups are to be, one in each hierarchy; their parents are there."""
    parents = [
        Path(tree.root, f"jobmend_process{os.getpid()}") for tree in hierarchies(str(CGROUPS))
    ]
    jobs = [parent / f"job_{os.getpid()}.{ULID}" for parent in parents]
    try:
        for parent in parents:
            make_cgroup(parent)
        yield jobs
    except PermissionError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    finally:
        for directory in (*jobs, *parents):
            remove_cgroup(directory)


def work(cgroups: list[Path]) -> float:
    """Make the job's cgroups, run it in them, remove them; the CPU seconds it used."""
    for directory in cgroups:
        make_cgroup(directory)

    def enter() -> None:
        for directory in cgroups:
            (directory / "cgroup.procs").write_text(str(os.getpid()))

    process = subprocess.Popen([sys.executable, "-c", JOB], preexec_fn=enter)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.WEXITSTATUS(status)
    for directory in cgroups:
        remove_cgroup(directory)
    return used.ru_utime + used.ru_stime


def missed_beats(agent: Running) -> float:
    (total,) = (
        one.value for one in agent.series() if one.name == "jobmend_agent_samples_dropped_total"
    )
    return total


def test_a_job_of_two_seconds_between_two_scrapes(agent: Running, cgroups: list[Path]) -> None:
    run = Run("c1", "local", str(os.getpid()), ULID)
    assert agent.of_job(run.job_id) == []
    missed = -missed_beats(agent)
    agent.hear(JobEvent(EventKind.START, run, time.time(), "n1"))
    used = work(cgroups)
    ended = Exit("posix", ExitKind.ERROR, 3)
    agent.hear(JobEvent(EventKind.END, run, time.time(), "n1", exit=ended))

    until(lambda: any(one.kind is EventKind.END for one in agent.events(run.job_id)))
    start, end = agent.events(run.job_id)
    assert (start.kind, end.kind, end.exit) == (EventKind.START, EventKind.END, ended)
    missed += missed_beats(agent)
    # The last sample was taken up to one period before the end, or more where beats were missed.
    about = pytest.approx(used, abs=0.1 * used + (1 + missed) * PERIOD)
    assert end.trace is not None and end.trace.cpu_seconds == about
    assert end.trace.samples > SECONDS / PERIOD / 2 - missed

    seen = agent.of_job(run.job_id)
    values = {one.name: one.value for one in seen}
    assert (
        values["jobmend_job_cpu_user_seconds_total"]
        + values["jobmend_job_cpu_system_seconds_total"]
    ) == about
    (told,) = (one.labels for one in seen if one.name == "jobmend_job_exit_info")
    assert (told["kind"], told["code"], told["run"]) == ("error", "3", ULID)
