"""Outages of nodes as intervals: kept through polls, asked for any moment, shown to people."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain import outages, recommendations, runs, site_spells, sites
from jobmend.brain.brain import Brain
from jobmend.brain.outages import OutageHistory, SiteOutages
from jobmend.brain.polling import FIRST_SECONDS, OVERLAP_SECONDS
from jobmend.jobs.actions import State
from jobmend.jobs.identity import Site, SiteStatus
from jobmend.plugins.scheduler import Nodes, Outage, SchedulerError
from tests.brain.conftest import Tell
from tests.brain.scene import BUG, NOW, OK, OOM, Clock, MemoryScheduler, ended, run_of, told

KEY = ("c1", "memory")
SITES = {"s1": ("n1", "n2", "n3", "n4"), "s2": ("n5",)}


def down(node: str, since: float, until: float | None = None, state: str = "DOWN") -> Outage:
    return Outage(node, NOW + since, None if until is None else NOW + until, state, "broken")


def keep(brain: Brain, *told_now: Outage, at: float = 0) -> None:
    with brain.store.write() as db:
        outages.keep(db, KEY, Nodes(SITES, told_now), NOW + at)


def kept(brain: Brain) -> list[Outage]:
    with brain.store.read() as db:
        return outages.between(db, "c1", 0, math.inf)


def test_an_outage_lasts_until_it_is_told_to_have_ended(brain: Brain) -> None:
    keep(brain, down("n1", -500), at=0)
    keep(brain, down("n1", -500), at=60)
    assert kept(brain) == [down("n1", -500)]
    keep(brain, down("n1", -500, 90), down("n1", 100), at=120)
    assert kept(brain) == [down("n1", -500, 90), down("n1", 100)]


def test_an_outage_that_is_told_no_more_ended_at_that_look(brain: Brain) -> None:
    keep(brain, down("n1", -500), down("n2", -10))
    keep(brain, down("n2", -10), at=60)
    keep(brain, at=120)
    assert kept(brain) == [down("n1", -500, 60), down("n2", -10, 120)]


def test_a_scheduler_that_knows_no_beginning_tells_one_outage(brain: Brain) -> None:
    for at in (0, 60, 120):
        keep(brain, down("n1", at, state="unhealthy"), at=at)
    assert kept(brain) == [down("n1", 0, state="unhealthy")]
    keep(brain, down("n1", -30, state="unhealthy"), at=180)
    assert kept(brain) == [down("n1", -30, state="unhealthy")]


INTERVALS = st.lists(
    st.tuples(
        st.sampled_from(["n1", "n2", "n3", "n9"]),
        st.integers(0, 20),
        st.none() | st.integers(0, 20),
    ),
    max_size=8,
)


@given(INTERVALS)
def test_how_many_are_out_is_what_counting_says(intervals: list[tuple[str, int, int]]) -> None:
    found = [Outage(node, since, until, "DOWN") for node, since, until in intervals]
    site = SiteOutages(("n1", "n2", "n3"), found)
    for moment in (time + 0.5 for time in range(-1, 22)):
        out = {
            o.node
            for o in found
            if o.node != "n9" and o.since <= moment < (math.inf if o.until is None else o.until)
        }
        assert site.out(moment) == len(out)
        assert site.is_bad(moment) is (len(out) >= 2)
        if site.is_bad(moment):
            begun = site.bad_since(moment)
            assert site.is_bad(begun) and not site.is_bad(begun - 0.5)


def test_a_site_whose_nodes_nobody_tells_is_not_bad_by_them() -> None:
    assert not SiteOutages((), ()).is_bad(NOW)
    assert not OutageHistory({}, ()).is_bad("", "s1", NOW)


@pytest.mark.parametrize(
    ("node", "end", "expected"),
    [
        ("n1", -150, SiteStatus.GOOD),  # before it
        ("n1", -110, SiteStatus.BAD),  # the scheduler noticed soon after
        ("n1", -60, SiteStatus.BAD),
        ("n1", -10, SiteStatus.GOOD),  # it was back
        ("n3", -60, SiteStatus.GOOD),  # one node of four was out
        ("n3", -700, SiteStatus.BAD),  # half of the site was
        ("", -700, SiteStatus.BAD),
        ("", -60, SiteStatus.GOOD),
    ],
)
def test_a_failure_is_judged_by_the_outages_of_its_time(
    brain: Brain, tell: Tell, node: str, end: float, expected: SiteStatus
) -> None:
    keep(brain, down("n1", -100, -20), down("n1", -800, -600), down("n2", -800, -600))
    for job in range(5, 9):
        tell(*ended(job, OK, time=NOW - 1000))
    tell(*ended(1, BUG, time=NOW + end))
    if node:
        tell(told("end", 1, time=NOW + end, node=node, exit=BUG))
    with brain.store.read() as db:
        record = runs.load(db, run_of(1))
        assert record is not None
        (known,) = sites.with_status(db, [record], NOW, 3600)
    assert known.site_status is expected


def test_an_outage_that_is_noticed_late_and_soon_over_counts() -> None:
    history = OutageHistory(SITES, [down("n1", 2, 6), down("n2", 3, 7)])
    moments = {at: history.is_bad("", "s1", NOW + at) for at in (-30, 0, 5, 6)}
    assert moments == {-30: False, 0: True, 5: True, 6: False}


@pytest.mark.parametrize(
    ("told_as", "known_as", "bad"),
    [
        ("n1.example.org", "n1", True),
        ("n1", "n1.example.org", True),
        ("n1.example.org", "n1.example.org", True),
        ("n1.example.org", "n1.example.com", False),
        ("n1", "n12", False),
        ("", "", False),
    ],
)
def test_a_node_is_known_by_its_full_name_and_its_short_one(
    told_as: str, known_as: str, bad: bool
) -> None:
    history = OutageHistory({}, [down(told_as, -100)] if told_as else [])
    assert history.is_bad(known_as, "s1", NOW) is bad


def test_a_run_that_goes_on_is_judged_by_now(brain: Brain, tell: Tell) -> None:
    tell(told("start", 1), told("start", 1, node="n5"))
    keep(brain, down("n5", -100))
    with brain.store.read() as db:
        (known,) = sites.with_status(db, runs.newest(db, 1), NOW, 3600)
    assert known.site_status is SiteStatus.BAD


def test_the_nodes_are_asked_each_minute_and_from_where_it_was_left(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock
) -> None:
    for seconds in (0, 10, 60):
        clock.time = NOW + seconds
        brain.watcher.round()
    assert scheduler.nodes_asked == [NOW - FIRST_SECONDS, NOW - OVERLAP_SECONDS]


def test_nodes_that_cannot_be_asked_are_counted_and_stop_nothing(
    brain: Brain, scheduler: MemoryScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(since: float) -> Nodes:
        raise SchedulerError("sinfo gave no answer")

    monkeypatch.setattr(scheduler, "nodes", refuse)
    scheduler.events = ended(1, OOM)
    brain.watcher.round()
    with brain.store.read() as db:
        assert runs.load(db, run_of(1)) is not None
    page = brain.metrics.page().decode()
    assert 'jobmend_brain_node_poll_errors_total{cluster="c1",scheduler="memory"} 1.0' in page


def test_an_outage_that_becomes_known_late_has_a_failure_judged_again(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock
) -> None:
    scheduler.events = [
        *ended(1, BUG, time=NOW - 200),
        *ended(2, BUG, time=NOW - 200),
        *ended(3, BUG, time=NOW - 200),
    ]
    for _ in range(2):
        brain.watcher.round()
        clock.time += 60
    with brain.store.read() as db:
        first = recommendations.newest(db, 1)[0]
    scheduler.told_nodes = Nodes(SITES, tuple(down(node, -300, -100) for node in SITES["s1"]))
    for _ in range(2):
        brain.watcher.round()
        clock.time += 60
    with brain.store.read() as db:
        second, first_now = recommendations.newest(db, 2)
    assert (first.advice.cause, second.advice.cause) == ("bug", "bad site")
    assert (first_now.state, second.state) == (State.EXPIRED, State.PROPOSED)


def test_sites_are_told_with_their_past(
    brain: Brain, scheduler: MemoryScheduler, clock: Clock
) -> None:
    scheduler.events = ended(1, OK, time=NOW - 10, site="s3")
    for seconds, told_now in (
        (0, ()),
        (120, (down("n1", 50), down("n2", 70))),
        (240, (down("n1", 50), down("n2", 70, 200))),
        (360, (down("n1", 50),)),
    ):
        clock.time = NOW + seconds
        scheduler.told_nodes = Nodes(SITES, told_now)
        brain.watcher.round()
    with brain.store.read() as db:
        s1, s2, s3 = site_spells.states(db, clock.time, NOW - 1000)
    assert (s1.site, s1.status, s1.nodes, s1.nodes_out) == (
        Site("c1", "s1"),
        SiteStatus.UNKNOWN,
        4,
        1,
    )
    (spell,) = s1.spells
    assert (spell.status, spell.since, spell.until) == (SiteStatus.BAD, NOW + 70, NOW + 240)
    assert s1.outages == [down("n2", 70, 200), down("n1", 50)]
    assert (s2.status, s2.since, s2.nodes, s2.spells) == (SiteStatus.UNKNOWN, None, 1, [])
    assert (s3.status, s3.since, s3.nodes) == (SiteStatus.GOOD, NOW, 0)
    page = brain.metrics.page().decode()
    assert 'jobmend_brain_site_nodes_out{cluster="c1",site="s1"} 1.0' in page
    assert 'jobmend_brain_site_bad{cluster="c1",site="s3"} 0.0' in page


def test_a_reason_of_any_length_is_kept_in_part(brain: Brain) -> None:
    keep(brain, dataclasses.replace(down("n1", 0), reason="x" * 99_999))
    assert len(kept(brain)[0].reason) == 1024
