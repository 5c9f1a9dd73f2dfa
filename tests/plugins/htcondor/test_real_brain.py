"""The brain beside a real pool: our own node health over time, ends corrected, the past read."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.agent.standing import Standing, render
from jobmend.brain import audit, ingest, runs, site_spells, sites
from jobmend.brain.brain import Brain, assemble
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import ExitKind
from jobmend.jobs.identity import SiteStatus
from jobmend.jobs.records import RunRecord
from tests.brain.scene import config_of
from tests.plugins.htcondor.operating import CLUSTER, operator, was_refused
from tests.plugins.rounds import SECONDS, is_accounted, until

if TYPE_CHECKING:
    from tests.plugins.htcondor.conftest import Pool

pytestmark = pytest.mark.condor


@pytest.fixture
def brain(pool: Pool, tmp_path: Path) -> Iterator[Brain]:
    """A brain whose rounds the test goes itself, and which looks at the nodes in each.

    It judges the site by its nodes: jobs of other tests failed there, or did not.
    """
    config = config_of(tmp_path, nodes_seconds=0.001, site_window_seconds=0.001)
    brain = assemble(config, {(CLUSTER, "htcondor"): operator(pool)})
    yield brain
    brain.store.close()


def record(brain: Brain, job: str) -> RunRecord | None:
    """The first run of a job that no slot refused, once accounting has told its end."""
    with brain.store.read() as db:
        mine = [it for it in runs.newest(db, 999) if it.run.job_id == job]
        found = [it for it in mine if not was_refused(it)]
        first = min(found, key=lambda it: it.facts.attempt, default=None)
        if first is None or not is_accounted(db, first.run):
            return None
        (known,) = sites.with_status(db, [first], time.time(), 0.001)
    return known


def site_state(brain: Brain) -> site_spells.SiteState | None:
    with brain.store.read() as db:
        states = site_spells.states(db, time.time(), time.time() - 3600)
    return next((it for it in states if it.nodes), None)


def say(pool: Pool, stalled_users: int) -> None:
    """What the agent of the node would write now."""
    standing = Standing(4, 3 if stalled_users else 0, 0, stalled_users=stalled_users)
    file = pool.run_directory / "node.json"
    beside = file.with_suffix(".new")
    beside.write_text(render(standing, time.time()))
    beside.chmod(0o644)
    beside.replace(file)


def is_bad(pool: Pool, brain: Brain, stalled_users: int) -> bool:
    say(pool, stalled_users)
    state = site_state(brain)
    return state is not None and state.status is SiteStatus.BAD


def hook_end(pool: Pool, job: str) -> JobEvent:
    """What the hook told of the job's end, as the agent sends it on."""
    deadline = time.monotonic() + SECONDS
    while True:
        for event in pool.hooks.events(job):
            if event.kind is EventKind.END:
                run = dataclasses.replace(event.run, cluster=CLUSTER)
                return dataclasses.replace(event, run=run, node=pool.node)
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ended_before_now(pool: Pool, since: float) -> set[str]:
    """The jobs that ended after ``since``, in whole seconds that are over."""
    told = operator(pool).history(since, time.time())
    return {event.run.job_id for event in told if event.kind is EventKind.OUTCOME}


def test_a_node_that_its_agent_calls_unhealthy_is_an_outage_of_its_site(
    pool: Pool, brain: Brain
) -> None:
    try:
        until(brain, lambda: is_bad(pool, brain, 3), "the unhealthy node")
        job = pool.submit_one("exit 3")
        until(brain, lambda: is_bad(pool, brain, 3) and record(brain, job), "the end of the job")
        until(brain, lambda: not is_bad(pool, brain, 0), "the healthy node")
    finally:
        (pool.run_directory / "node.json").unlink(missing_ok=True)
    known, state = record(brain, job), site_state(brain)
    assert known is not None and known.site_status is SiteStatus.BAD
    assert state is not None
    (outage,) = state.outages
    assert (outage.node, outage.state, outage.reason) == (pool.node, "UNHEALTHY", "jobs stall")
    assert outage.until is not None
    assert SiteStatus.BAD in [spell.status for spell in state.spells if spell.until]


def test_accounting_corrects_the_hook_of_a_job_that_was_held(pool: Pool, brain: Brain) -> None:
    job = pool.submit_one("sleep 300")
    pool.process(job)
    pool.inside("condor_hold", job)
    end = hook_end(pool, job)
    ingest.take_events(brain.store, [end], now=time.time(), max_windows=9)
    until(brain, lambda: record(brain, job), "accounting's word")
    known = record(brain, job)
    assert known is not None and known.exit is not None and known.run == end.run
    assert (known.exit.kind, known.exit.state) == (ExitKind.HELD, "HELD")
    assert end.exit is not None and end.exit.kind is not ExitKind.HELD
    for _ in range(3):
        brain.watcher.round()
    with brain.store.read() as db:
        details = [it.detail for it in audit.newest(db, 99) if it.what == audit.CORRECTED]
    mine = [detail for detail in details if known.run.key in detail]
    assert len(mine) == 1 and "accounting says held (via condor_hold" in mine[0]
    pool.inside("condor_rm", job)


def test_the_past_is_read_back(pool: Pool, brain: Brain) -> None:
    jobs = [pool.submit_one("exit 0"), pool.submit_one("exit 3")]
    for job in jobs:
        pool.wait(job, 4)
    since, deadline = time.time() - 7200, time.monotonic() + SECONDS
    while not set(jobs) <= ended_before_now(pool, since):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    while not (progress := brain.backfill.step((CLUSTER, "htcondor"), since)).done:
        assert progress.reached > since
    found = [record(brain, job) for job in jobs]
    assert [it and it.exit and it.exit.key for it in found] == ["exit:0", "exit:3"]
    assert brain.backfill.step((CLUSTER, "htcondor"), since).accepted == 0
