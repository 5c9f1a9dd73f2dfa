"""The brain beside a real Slurm: sites over time by its nodes, ends corrected, the past read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.brain import audit, ingest, runs, site_spells, sites
from jobmend.brain.brain import Brain, assemble
from jobmend.jobs.events import EventKind
from jobmend.jobs.exits import ExitKind
from jobmend.jobs.identity import Run, SiteStatus
from jobmend.jobs.records import RunRecord
from tests.brain.scene import config_of
from tests.plugins.rounds import SECONDS, is_accounted, until
from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm


@pytest.fixture
def brain(slurm: Cluster, tmp_path: Path) -> Iterator[Brain]:
    """A brain whose rounds the test goes itself, and which looks at the nodes in each."""
    config = config_of(tmp_path, nodes_seconds=0.001)
    brain = assemble(config, {("testbed", "slurm"): slurm.scheduler()})
    yield brain
    brain.store.close()


def status_of(brain: Brain, site: str) -> SiteStatus:
    with brain.store.read() as db:
        states = site_spells.states(db, time.time(), time.time() - 3600)
    return next((it.status for it in states if it.site.name == site), SiteStatus.UNKNOWN)


def record(brain: Brain, job: str, run: str = "0") -> RunRecord | None:
    """What the brain knows of a run once accounting has told its end."""
    with brain.store.read() as db:
        found = runs.load(db, Run("testbed", "slurm", job, run))
        if found is None or not is_accounted(db, found.run):
            return None
        (known,) = sites.with_status(db, [found], time.time(), 3600)
    return known


def tell(brain: Brain, slurm: Cluster, job: str) -> None:
    """What the agent of the node sends of a job, once its hook told the end."""
    deadline = time.monotonic() + SECONDS
    while not any(event.kind is EventKind.END for event in slurm.hooks.events(job)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    events = slurm.hooks.events(job)
    ingest.take_events(brain.store, events, now=time.time(), max_windows=9)


def test_a_failure_is_judged_by_the_state_of_its_node_at_its_time(
    slurm: Cluster, brain: Brain
) -> None:
    node = slurm.nodes[0]
    brain.watcher.round()
    early = slurm.submit("exit 3", "--partition=siteA")
    slurm.wait(early, "FAILED")
    until(brain, lambda: record(brain, early), "the end of the first job")
    time.sleep(35)  # longer than the time for which an outage reaches back
    slurm.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=bad disk")
    try:
        until(brain, lambda: status_of(brain, "siteA") is SiteStatus.BAD, "the drained node")
        other = slurm.submit("exit 3", "--partition=siteB")
        slurm.wait(other, "FAILED")
    finally:
        slurm.run("scontrol", "update", f"nodename={node}", "state=resume")
    until(brain, lambda: status_of(brain, "siteA") is not SiteStatus.BAD, "the node's return")
    until(brain, lambda: record(brain, other), "the end of the other job")

    for job in (early, other):
        known = record(brain, job)
        assert known is not None and known.site_status is not SiteStatus.BAD
    with brain.store.read() as db:
        (site,) = (
            it
            for it in site_spells.states(db, time.time(), time.time() - 3600)
            if it.site.name == "siteA"
        )
        (outage,) = (it for it in site.outages if "DRAIN" in it.state)
        assert (outage.node, outage.reason) == (node, "bad disk")
        assert outage.until is not None and outage.until - outage.since > 0
        middle = (outage.since + outage.until) / 2
        statuses = sites.Statuses.read(db, [(site.site, middle)], 3600)
        assert statuses.of(site.site, "", middle) is SiteStatus.BAD, "then, though not now"
    assert [spell.status for spell in site.spells if spell.until][0] is SiteStatus.BAD


def test_accounting_corrects_what_the_hook_took_for_success(slurm: Cluster, brain: Brain) -> None:
    job = slurm.submit("sleep 60")
    slurm.wait(job, "RUNNING")
    slurm.run("scancel", job)
    slurm.wait(job, "CANCELLED")
    tell(brain, slurm, job)
    with brain.store.read() as db:
        believed = runs.load(db, Run("testbed", "slurm", job, "0"))
    assert believed is not None and believed.succeeded, "as every hook says of a scancel"
    until(brain, lambda: record(brain, job), "accounting's word")
    known = record(brain, job)
    assert known is not None and known.exit is not None
    assert known.exit.kind is ExitKind.CANCELLED
    with brain.store.read() as db:
        details = [it.detail for it in audit.newest(db, 99) if it.what == audit.CORRECTED]
    assert [detail for detail in details if f"/{job}/0:" in detail] == [
        f"testbed/slurm/{job}/0: node {believed.node} said success,"
        f" accounting says cancelled ({known.exit.reason})"
    ]


def test_a_run_that_was_requeued_has_no_success(slurm: Cluster, brain: Brain) -> None:
    job = slurm.submit("sleep 60", "--requeue")
    slurm.wait(job, "RUNNING")
    slurm.run("scontrol", "requeue", job)
    tell(brain, slurm, job)
    until(brain, lambda: record(brain, job), "accounting's word")
    known = record(brain, job)
    assert known is not None and known.exit is not None
    assert (known.exit.kind, known.exit.state) == (ExitKind.UNKNOWN, "REQUEUED")
    slurm.run("scancel", job)


def test_the_past_is_read_back(slurm: Cluster, brain: Brain) -> None:
    jobs = [slurm.submit("true"), slurm.submit("exit 3")]
    slurm.wait(jobs[0], "COMPLETED")
    slurm.wait(jobs[1], "FAILED")
    slurm.record(slurm.scheduler(), jobs[0])
    slurm.record(slurm.scheduler(), jobs[1])
    since = time.time() - 7200
    while not (progress := brain.backfill.step(("testbed", "slurm"), since)).done:
        assert progress.reached > since
    assert progress.accepted >= 4
    found = [record(brain, job) for job in jobs]
    assert [it and it.exit and it.exit.key for it in found] == ["exit:0", "exit:3"]
    assert brain.backfill.step(("testbed", "slurm"), since).accepted == 0
