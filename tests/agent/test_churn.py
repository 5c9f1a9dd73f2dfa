"""A thousand jobs come and go in seconds: no end is lost, nothing of them is left behind."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.cgroups import hierarchies
from jobmend.agent.config import Config, Metrics, Sample
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from tests.agent.running import CGROUPS, Running, make_cgroup, remove_cgroup, running, until

pytestmark = pytest.mark.cgroup

JOBS = 1000
STARTERS = 4  # jobs that run at a time, each on slots of its own
LIFE_SECONDS = 0.03
TTL_SECONDS = 4.0


@pytest.fixture
def agent(config: Config, tmp_path: Path) -> Iterator[Running]:
    """One with short memories, which waits longer for a late hook than a slow machine takes."""
    churning = dataclasses.replace(
        config,
        sample=Sample(period_seconds=0.1, ring_seconds=10, cgroup_root=str(CGROUPS)),
        metrics=Metrics(totals_ttl_seconds=TTL_SECONDS, exit_ttl_seconds=TTL_SECONDS),
        hooks=dataclasses.replace(config.hooks, grace_seconds=60),
        watch=dataclasses.replace(config.watch, contention_seconds=5),
    )
    with running(churning, tmp_path) as started:
        yield started


@pytest.fixture
def parents() -> Iterator[list[Path]]:
    """The runner's cgroup in one hierarchy of v1, where there is one, and in that of v2."""
    trees = {tree.controllers: tree.root for tree in hierarchies(str(CGROUPS))}
    wanted = [name for name in trees if {"cpuacct", "unified"} & set(name)]
    made = [Path(trees[name], f"jobmend_churn{os.getpid()}") for name in wanted]
    try:
        for parent in made:
            make_cgroup(parent)
        yield made
    except PermissionError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    finally:
        for parent in made:
            for left in parent.glob("job_*"):
                remove_cgroup(left)
            remove_cgroup(parent)


def run_of(number: int) -> Run:
    return Run("c1", "local", f"churn-{number}", f"01{number:024d}")


def live(agent: Running, parents: list[Path], number: int) -> None:
    """One job. Slurm calls its hooks before the cgroup is there and after it is gone, others don't.

    A hook is a process that takes 20 ms to start, so one starter does not send faster than that.
    """
    run = run_of(number)
    directories = [parent / f"job_{run.job_id}.{run.run}" for parent in parents]
    start = JobEvent(EventKind.START, run, time.time(), "n1")
    late = number % 2
    if not late:
        agent.hear(start)
    for directory in directories:
        make_cgroup(directory)
    if late:
        agent.hear(start)
    time.sleep(LIFE_SECONDS)
    end = JobEvent(
        EventKind.END, run, time.time(), "n1", exit=Exit("posix", ExitKind.ERROR, number % 100 + 1)
    )
    if not late:
        agent.hear(end)
    for directory in directories:
        remove_cgroup(directory)
    if late:
        agent.hear(end)


def live_all(agent: Running, parents: list[Path], numbers: range) -> None:
    """Many jobs on all starters; the first error of one fails the test."""
    failed: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in numbers[first::STARTERS]:
                live(agent, parents, number)
        except BaseException as error:
            failed.append(error)

    starters = [threading.Thread(target=work, args=(first,)) for first in range(STARTERS)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    if failed:
        raise failed[0]


def ended(agent: Running) -> list[JobEvent]:
    told = [one for one in agent.spooled() if isinstance(one, JobEvent)]
    return [
        one for one in told if one.kind is EventKind.END and one.run.job_id.startswith("churn-")
    ]


def is_forgotten(agent: Running) -> bool:
    return b'jobid="churn-' not in agent.page()


def test_a_thousand_jobs_start_and_end(agent: Running, parents: list[Path]) -> None:
    live_all(agent, parents, range(JOBS, JOBS + STARTERS))  # whatever is opened once is open then
    until(lambda: len(ended(agent)) == STARTERS)
    until(lambda: is_forgotten(agent))
    before = agent.descriptors()

    live_all(agent, parents, range(JOBS))
    assert not is_forgotten(agent)
    until(lambda: len(ended(agent)) >= JOBS + STARTERS)
    told = Counter(one.key for one in ended(agent))
    assert told == Counter(
        f"{run_of(number).key}/end/n1" for number in range(JOBS + STARTERS)
    )  # each once
    codes = {one.run.job_id: one.exit.code for one in ended(agent) if one.exit is not None}
    assert codes == {f"churn-{number}": number % 100 + 1 for number in range(JOBS + STARTERS)}

    until(lambda: is_forgotten(agent), TTL_SECONDS + 20)
    until(lambda: agent.descriptors() <= before)
    assert len(agent.events("churn-0")) == 2  # its start, its end, and no later guess
