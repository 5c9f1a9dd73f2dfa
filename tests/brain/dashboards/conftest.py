"""A brain, an agent with two jobs, and a Prometheus that reads both; once for this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.brain import tokens
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import posix_exit
from tests.agent.running import Running, running, until
from tests.brain.dashboards import known, moving
from tests.brain.dashboards.moving import ENDS, STAYS
from tests.brain.dashboards.serving import Prometheus, prometheus
from tests.brain.process import Process

PATIENCE_SECONDS = 120


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="package")
def brain(folder: Path) -> Iterator[Process]:
    local = f"[schedulers.local]\ncluster = 'c1'\nstate_dir = '{folder}/local'\n"
    process = Process(folder, local, OMP_NUM_THREADS="1")
    tokens.ensure(folder / "tokens")
    known.fill(folder / "brain.db")
    process.start()
    yield process
    process.close()


@pytest.fixture(scope="package")
def agent(folder: Path, brain: Process) -> Iterator[Running]:
    """One with two jobs that its hooks told of."""
    place = moving.lay_out(folder / "node")
    config = moving.config_of(folder, brain.url, folder / "tokens")
    with moving.moving(place), running(config, folder) as started:
        for job in (STAYS, ENDS):
            facts = JobFacts(user="ada", account="physics", site="s1")
            run = known.run_of(job)
            started.hear(JobEvent(EventKind.START, run, time.time() - 60, "n1", facts))
        yield started


@pytest.fixture(scope="package")
def watched(folder: Path, brain: Process, agent: Running) -> Iterator[Prometheus]:
    """A Prometheus that has read both for some seconds, and saw a job end."""
    reads = (agent.config.metrics.listen, f"127.0.0.1:{brain.port}")
    with prometheus(folder, *reads) as started:
        scored = f'jobmend_job_anomaly_p_value{{jobid="{ENDS}"}}'
        until(lambda: started.now(scored), PATIENCE_SECONDS)
        ended = JobEvent(
            EventKind.END, known.run_of(ENDS), time.time(), "n1", exit=posix_exit(3, None)
        )
        agent.hear(ended)
        moving.end_job(folder / "node")
        yield started
