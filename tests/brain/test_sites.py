"""A site's status at the time of a failure, out of the runs that ended there before."""

from __future__ import annotations

import itertools

import pytest

from jobmend.brain import runs, sites
from jobmend.brain.brain import Brain
from jobmend.brain.sites import SiteHistory
from jobmend.jobs.identity import Site, SiteStatus
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, OOM, ended, told


@pytest.mark.parametrize(
    ("ended_runs", "expected"),
    [
        ([], SiteStatus.UNKNOWN),
        ([("w1", True)] * 9, SiteStatus.UNKNOWN),  # one broken workflow
        ([("w1", True), ("w2", True), ("w2", True)], SiteStatus.UNKNOWN),  # too few
        ([("w1", True), ("w2", True)] * 2, SiteStatus.BAD),
        ([("w1", True), ("w2", True)] * 2 + [("w1", False)], SiteStatus.BAD),  # 80 %
        ([("w1", True)] * 3 + [("w2", False)], SiteStatus.UNKNOWN),  # 75 %
        ([("w1", True), ("w2", False)], SiteStatus.GOOD),
        ([("w1", False)], SiteStatus.GOOD),
    ],
)
def test_status(ended_runs: list[tuple[str, bool]], expected: SiteStatus) -> None:
    for order in set(itertools.permutations(ended_runs[:7])) or [()]:
        told_runs = [*order, *ended_runs[7:]]
        history = SiteHistory([(NOW, workflow, failed) for workflow, failed in told_runs])
        assert history.status(NOW, 3600) is expected


def test_status_is_that_of_the_time_in_question(brain: Brain, tell: Tell) -> None:
    for job, workflow in enumerate(("w1", "w2", "w1", "w2")):
        tell(*ended(job, BUG, time=NOW - 1000 + job, workflow=workflow))
    for job in range(4, 12):
        tell(*ended(job, OK, time=NOW - 100))
    tell(told("start", 20), *ended(21, BUG, time=NOW - 9000), *ended(22, BUG, site=""))
    with brain.store.read() as db:
        records = sites.with_status(db, runs.newest(db, 99), NOW, 3600)
        elsewhere = SiteHistory.read(db, Site("c2", "s1"), 0, NOW)
    found = {record.run.job_id: record.site_status for record in records}
    assert found["2"] is SiteStatus.UNKNOWN, "only three had failed by then"
    assert found["3"] is SiteStatus.BAD
    assert found["4"] is found["20"] is SiteStatus.GOOD
    assert found["21"] is found["22"] is SiteStatus.UNKNOWN
    assert elsewhere.status(NOW, 3600) is SiteStatus.UNKNOWN


def test_what_a_job_brings_upon_itself_says_nothing_of_its_site(brain: Brain, tell: Tell) -> None:
    for job, workflow in enumerate(("w1", "w2", "w1", "w2")):
        tell(*ended(job, OOM, time=NOW - 1000 + job, workflow=workflow))
    with brain.store.read() as db:
        history = SiteHistory.read(db, Site("c1", "s1"), 0, NOW)
    assert history.status(NOW, 3600) is SiteStatus.UNKNOWN
