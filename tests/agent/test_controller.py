"""What the hooks of Slurm's controller tell is passed on, and an end is booked on the right run."""

from __future__ import annotations

import pytest

from jobmend.agent.hooks import Datagram, Refused, judge
from jobmend.agent.registry import Registry, Rules
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.identity import Run

SLURM_USER = 64030


def told(kind: EventKind, run: str = "0", time: float = 1.0, node: str = "n1") -> JobEvent:
    facts = JobFacts(name="reco", attempt=int(run))
    return JobEvent(kind, Run("c1", "slurm", "12", run), time, node, facts)


def hear(registry: Registry, event: JobEvent) -> list[tuple[str, str, str]]:
    heard = registry.hear(event, 0, True, event.time)
    return [(one.kind.value, one.run.run, one.node) for one in heard.events]


@pytest.fixture
def registry() -> Registry:
    return Registry(Rules("c1", "n1", 5.0, 60.0))


@pytest.mark.parametrize(
    "event",
    [told(EventKind.QUEUED, node=""), told(EventKind.END, node="slurmctld@head")],
)
def test_the_controller_is_believed_where_its_user_is(event: JobEvent, registry: Registry) -> None:
    datagram = Datagram(wire.dumps(event), 1, SLURM_USER)
    judged = judge(datagram, frozenset({0, SLURM_USER}))
    assert judged == event
    assert hear(registry, judged) == [(event.kind.value, "0", event.node)]
    assert registry.runs() == []  # nothing is measured of it here
    with pytest.raises(Refused, match="may not tell of slurm jobs"):
        judge(datagram, frozenset({0}))


def test_no_user_tells_that_a_job_waits() -> None:
    event = JobEvent(EventKind.QUEUED, Run("c1", "htcondor", "1.0", "x"), 1.0)
    with pytest.raises(Refused, match="may not tell"):
        judge(Datagram(wire.dumps(event), 1, 1000), frozenset({0}))


def test_the_end_of_a_run_that_a_requeue_stopped_is_its_own(registry: Registry) -> None:
    events = [
        told(EventKind.START),
        told(EventKind.END, "1", 2.0),  # Slurm has counted the requeue already
        told(EventKind.START, "1", 3.0),
        told(EventKind.END, "1", 4.0),
    ]
    assert [hear(registry, event) for event in events] == [
        [("start", "0", "n1")],
        [("end", "0", "n1")],
        [("start", "1", "n1")],
        [("end", "1", "n1")],
    ]


def test_an_end_whose_start_was_lost_is_not_booked_on_an_earlier_run(registry: Registry) -> None:
    for event in (told(EventKind.START), told(EventKind.END, "0", 2.0)):
        hear(registry, event)
    assert hear(registry, told(EventKind.END, "1", 4.0))[-1] == ("end", "1", "n1")
