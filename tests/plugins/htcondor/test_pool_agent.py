"""A real agent beside a real pool: whose the cgroup of a slot is, and what is told of its job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobmend.agent.config import Config, Hooks, Metrics, Sample, Spool
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import ExitKind
from tests.agent.running import Running, running, until
from tests.plugins.htcondor.conftest import Pool

pytestmark = pytest.mark.condor

COMPLETED, HELD = 4, 5
BUSY = "i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done; exit 3"
HOG = (
    'exec python3 -c "import time; x = bytearray(90 << 20); time.sleep(2); '
    'y = bytearray(600 << 20); time.sleep(60)"'
)


@pytest.fixture
def config(pool: Pool, tmp_path: Path) -> Config:
    return Config(
        cluster="testbed",
        node=pool.node,
        sample=Sample(period_seconds=0.2, slow_seconds=0.2, ring_seconds=120.0),
        metrics=Metrics(exit_ttl_seconds=600.0),
        hooks=Hooks(socket=str(pool.hooks.path), grace_seconds=2.0),
        spool=Spool(path=str(tmp_path / "spool.db")),
    )


@pytest.fixture
def agent(pool: Pool, config: Config, tmp_path: Path) -> Iterator[Running]:
    """An agent that hears the pool's hooks."""
    with pool.socket_free(), running(config, tmp_path) as started:
        yield started


def run_of(pool: Pool, job: str) -> str:
    """What the run is called, by what the schedd knows."""
    starts = int(pool.attribute(job, "NumShadowStarts"))
    return pool.attribute(job, "GlobalJobId").strip('"') + f"#{starts}"


def ended(agent: Running, job: str) -> bool:
    return any(event.kind is EventKind.END for event in agent.events(job))


def story(agent: Running, job: str) -> tuple[JobEvent, JobEvent]:
    """Start and end of a job's only run, as told last.

    Its processes may have told the start first, where a hook did so after the time of grace.
    """
    *starts, end = agent.events(job)
    kinds = [event.kind for event in (*starts, end)]
    assert kinds in ([EventKind.START] * number + [EventKind.END] for number in (1, 2))
    assert {event.run for event in starts} == {end.run}
    return starts[-1], end


def errors(agent: Running) -> dict[str, float]:
    """Attribution errors, but for short jobs of other pools here, of whom nobody tells."""
    name = "jobmend_agent_attribution_errors_total"
    found = {one.labels["reason"]: one.value for one in agent.series() if one.name == name}
    return {reason: count for reason, count in found.items() if count and reason != "unnamed"}


def test_a_cgroup_is_attributed_to_the_run_its_hook_told(pool: Pool, agent: Running) -> None:
    job = pool.submit_one(BUSY, "batch_name = merge")
    until(lambda: ended(agent, job), 120)
    assert pool.wait(job, COMPLETED) == COMPLETED
    start, end = story(agent, job)
    assert (start.run.cluster, start.run.run) == ("testbed", run_of(pool, job))
    assert start.run == end.run and (start.node, start.facts.user) == (pool.node, pool.user)
    assert (end.facts.name, end.facts.slot[-len(pool.node) :]) == ("merge", pool.node)
    assert end.exit is not None and (end.exit.kind, end.exit.code) == (ExitKind.ERROR, 3)
    assert end.trace is not None and (end.trace.cpu_seconds or 0) > 0.2
    assert end.trace.memory_limit_bytes == 128 << 20
    info = [one for one in agent.of_job(job) if one.name == "jobmend_job_info"]
    assert [one.labels["run"] for one in info] == [start.run.run]
    assert pool.base_cgroup in info[0].labels["cgroup"]
    assert errors(agent) == {}


def test_a_slot_is_used_again_by_jobs_of_their_own(pool: Pool, agent: Running) -> None:
    cluster = pool.submit(BUSY, "request_cpus = 8", queue="queue 3")  # one after the other
    jobs = [f"{cluster}.{proc}" for proc in range(3)]
    until(lambda: all(ended(agent, job) for job in jobs), 240)
    slots = set()
    for job in jobs:
        start, end = story(agent, job)
        slots.add(end.facts.slot)
        assert start.run == end.run and end.trace is not None
        assert 0.2 < (end.trace.cpu_seconds or 0) < 20
    assert len(slots) == 1 and errors(agent) == {}


def test_what_the_node_saw_of_a_job_over_its_memory(pool: Pool, agent: Running) -> None:
    job = pool.submit_one(HOG)
    until(lambda: ended(agent, job), 120)
    assert pool.wait(job, HELD) == HELD
    end = agent.events(job)[-1]
    assert end.exit is not None and end.exit.kind is ExitKind.HELD  # the hook knows no reason
    assert end.trace is not None and (end.trace.memory_peak_bytes or 0) > 80 << 20


def test_without_hooks_the_processes_tell_the_same_run(
    pool: Pool, config: Config, tmp_path: Path
) -> None:
    elsewhere = replace(config.hooks, socket=str(tmp_path / "hook.sock"))
    with running(replace(config, hooks=elsewhere), tmp_path) as agent:
        job = pool.submit_one(f"sleep 3; {BUSY}")
        until(lambda: ended(agent, job), 120)
        pool.wait(job, COMPLETED)
        start, end = story(agent, job)
    assert (start.run.cluster, start.run.run) == ("testbed", run_of(pool, job))
    assert start.facts.user == pool.user and end.exit is not None
    assert end.exit.kind is ExitKind.UNKNOWN
    until(lambda: [one for one in pool.hooks.events(job) if one.exit])
    assert {event.run.run for event in pool.hooks.events(job)} == {start.run.run}


def test_a_job_of_before_the_agent_is_known_by_its_next_update(
    pool: Pool, config: Config, tmp_path: Path
) -> None:
    job = pool.submit_one(f"sleep 30; {BUSY}")
    until(lambda: pool.hooks.events(job), 120)
    with pool.socket_free(), running(config, tmp_path) as agent:
        until(lambda: ended(agent, job), 120)
        start, end = story(agent, job)
        assert end.run.run == run_of(pool, job)
        assert start.facts.slot[-len(pool.node) :] == pool.node  # as the hook tells it
        assert end.exit is not None and end.exit.code == 3 and end.trace is not None
        assert errors(agent) == {}


def test_the_machine_ad_follows_a_running_agent(pool: Pool, agent: Running) -> None:
    about = ("condor_status", "-constraint", "PartitionableSlot", "-af:r,")

    def stands() -> list[str]:
        names = ("JobmendAgentUp", "JobmendNodeHealthy", "JobmendStalledJobs")
        return [word.strip() for word in pool.inside(*about, *names).split(",")]

    until(lambda: stands() == ["true", "true", "0"], 120)
